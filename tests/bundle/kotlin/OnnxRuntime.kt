// A stand-in for the part of onnxruntime's Java API that Classifier.kt uses; it runs the network in Python.

package ai.onnxruntime

import java.io.DataInputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer

enum class OnnxJavaType { UINT8, FLOAT }

interface OnnxValue : AutoCloseable

class OnnxTensor private constructor(private val data: ByteBuffer, internal val shape: LongArray) : OnnxValue {
    val floatBuffer: FloatBuffer get() = data.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    internal val byteBuffer: ByteBuffer get() = data

    override fun close() = Unit

    companion object {
        @Suppress("UNUSED_PARAMETER")
        fun createTensor(environment: OrtEnvironment, data: ByteBuffer, shape: LongArray, type: OnnxJavaType): OnnxTensor {
            require(data.isDirect && data.remaining().toLong() == shape.reduce(Long::times))
            return OnnxTensor(data, shape)
        }

        internal fun floats(data: ByteArray) = OnnxTensor(ByteBuffer.wrap(data), longArrayOf(1, data.size / 4L))
    }
}

class OrtEnvironment private constructor() {
    fun createSession(model: ByteArray, options: OrtSession.SessionOptions) = OrtSession(model, options)

    companion object {
        private val only = OrtEnvironment()

        fun getEnvironment() = only
    }
}

class OrtSession internal constructor(model: ByteArray, options: SessionOptions) : AutoCloseable {
    private val process: Process

    init {
        require(options.entries == mapOf("session.load_model_format" to "ORT"))
        val file = File.createTempFile("model", ".ort")
        file.deleteOnExit()
        file.writeBytes(model)
        val command = listOf(System.getenv("PYTHON"), System.getenv("NETWORK_PROGRAM"), file.path)
        process = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    }

    fun run(inputs: Map<String, OnnxTensor>, outputs: Set<String>): Result {
        val (name, tensor) = inputs.entries.single()
        val pixels = ByteArray(tensor.byteBuffer.remaining())
        tensor.byteBuffer.get(pixels)
        process.outputStream.write("$name ${tensor.shape.joinToString(",")} ${outputs.single()}\n".toByteArray())
        process.outputStream.write(pixels)
        process.outputStream.flush()
        val reply = DataInputStream(process.inputStream)
        return Result(OnnxTensor.floats(ByteArray(reply.readInt()).also(reply::readFully)))
    }

    override fun close() {
        process.outputStream.close()
        process.waitFor()
    }

    class SessionOptions : AutoCloseable {
        internal val entries = mutableMapOf<String, String>()

        fun addConfigEntry(name: String, value: String) {
            entries[name] = value
        }

        override fun close() = Unit
    }

    class Result internal constructor(private val tensor: OnnxTensor) : AutoCloseable {
        operator fun get(index: Int): OnnxValue = listOf(tensor)[index]

        override fun close() = Unit
    }
}
