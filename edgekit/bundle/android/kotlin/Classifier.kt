// A model with its description (NAME.json): decoded images in, logits and labels out. Needs onnxruntime-android.

package edgekit

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.ByteBuffer
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject

// read: the content of a file of the bundle. Close it after use; it is not for use by several threads at a time.
class Classifier(name: String, read: (String) -> ByteArray) : AutoCloseable {
    val preprocessing: PreprocessSpec
    val scoring: Scoring
    private val inputName: String
    private val inputShape: LongArray
    private val outputName: String
    private val environment = OrtEnvironment.getEnvironment()
    private val session: OrtSession

    init {
        val description = JSONObject(String(read("$name.json"), Charsets.UTF_8))
        val file = description.getJSONObject("ort")
        val model = read(file.getString("file"))
        require(sha256(model) == file.getString("sha256")) {
            "${file.getString("file")} is not the file that $name.json describes; copy the bundle again"
        }
        preprocessing = preprocessSpec(description.getJSONObject("preprocess"))
        scoring = scoringOf(description)
        val input = description.getJSONObject("input")
        inputName = input.getString("name")
        val shape = input.getJSONArray("shape")
        inputShape = LongArray(shape.length()) { i -> if (i == 0) 1 else shape.getLong(i) } // the first is the batch
        outputName = description.getJSONObject("output").getString("name")
        session = OrtSession.SessionOptions().use { options ->
            options.addConfigEntry("session.load_model_format", "ORT")
            environment.createSession(model, options)
        }
    }

    // The scores of an upright image: all classes, most probable first.
    fun predict(image: Rgba): List<Score> {
        val pixels = pixelsFromRgba(image.pixels, preprocessing)
        return rankedScores(logits(preprocess(pixels, image.height, image.width, preprocessing)), scoring)
    }

    // crop: result of `preprocess`.
    fun logits(crop: ByteArray): FloatArray {
        val pixels = ByteBuffer.allocateDirect(crop.size).put(crop)
        pixels.rewind()
        return OnnxTensor.createTensor(environment, pixels, inputShape, OnnxJavaType.UINT8).use { tensor ->
            session.run(mapOf(inputName to tensor), setOf(outputName)).use { outputs ->
                val values = (outputs.get(0) as OnnxTensor).floatBuffer
                FloatArray(values.remaining()).also { values.get(it) }
            }
        }
    }

    override fun close() {
        session.close()
    }
}

// From "preprocess" of NAME.json.
fun preprocessSpec(values: JSONObject): PreprocessSpec {
    val resize = values.get("resize")
    return PreprocessSpec(
        values.getString("color"),
        values.getString("fit"),
        if (resize is JSONArray) integers(resize) else intArrayOf(values.getInt("resize")),
        values.getInt("pad"),
        integers(values.getJSONArray("fill")),
        integers(values.getJSONArray("crop")),
        values.getString("offset"),
        values.getString("interpolation"),
        values.getString("resampler"),
    )
}

// From all of NAME.json.
fun scoringOf(description: JSONObject): Scoring {
    val labels = description.getJSONArray("labels")
    val thresholds = description.optJSONArray("thresholds")
    return Scoring(
        List(labels.length()) { i -> labels.getString(i) },
        description.getString("task") == "multi-label",
        if (description.isNull("temperature")) 1.0 else description.getDouble("temperature"),
        thresholds?.let { values -> DoubleArray(values.length()) { i -> values.getDouble(i) } },
    )
}

fun sha256(content: ByteArray): String {
    return MessageDigest.getInstance("SHA-256").digest(content).joinToString("") { byte -> "%02x".format(byte) }
}

private fun integers(values: JSONArray): IntArray {
    return IntArray(values.length()) { i -> values.getInt(i) }
}
