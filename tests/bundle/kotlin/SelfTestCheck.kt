// Runs the self-test of a bundle: SelfTestCheck FOLDER NAME DECODED. The images lie decoded in DECODED, each in a file
// named after the SHA-256 of its JPEG: height, width and EXIF orientation in 4 bytes each, then RGBA.

import edgekit.Classifier
import edgekit.Rgba
import edgekit.selfTest
import edgekit.sha256
import edgekit.upright
import java.io.DataInputStream
import java.io.File
import kotlin.system.exitProcess

fun main(arguments: Array<String>) {
    val (folder, name, decoded) = arguments
    val read = { file: String -> File(folder, file).readBytes() }
    val decode = { jpeg: ByteArray -> decodedImage(File(decoded, sha256(jpeg))) }
    val passed = Classifier(name, read).use { classifier ->
        selfTest(name, classifier, read, decode) { stage -> println("${stage.name}|${stage.passed}|${stage.text}") }
    }
    exitProcess(if (passed) 0 else 1)
}

private fun decodedImage(file: File): Rgba = DataInputStream(file.inputStream().buffered()).use { input ->
    val (height, width, orientation) = List(3) { input.readInt() }
    upright(Rgba(input.readNBytes(height * width * 4), height, width), orientation)
}
