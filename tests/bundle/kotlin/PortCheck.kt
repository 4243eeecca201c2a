// Runs the Kotlin port on the cases of a test: PortCheck preprocess|upright|scores CASES INPUT RESULTS.
// A line of CASES describes a case; INPUT contains the images of all cases, one after the other, and RESULTS gets the
// results in the same order: pixels, or for scores a line each.

import edgekit.PreprocessSpec
import edgekit.Rgba
import edgekit.Scoring
import edgekit.pixelsFromRgba
import edgekit.preprocess
import edgekit.rankedScores
import edgekit.upright
import java.io.ByteArrayOutputStream
import java.io.File

fun main(arguments: Array<String>) {
    val (command, cases, input, results) = arguments
    val images = File(input).inputStream().buffered()
    File(results).outputStream().use { output ->
        for (line in File(cases).readLines()) {
            val values = line.split(" ")
            val read = { count: Int -> images.readNBytes(count) }
            val result = when (command) {
                "preprocess" -> preprocessed(values, read)
                "upright" -> turned(values, read)
                "scores" -> scored(values)
                else -> throw IllegalArgumentException(command)
            }
            output.write(result)
        }
    }
}

private fun preprocessed(values: List<String>, read: (Int) -> ByteArray): ByteArray {
    val (kind, height, width) = values
    val spec = PreprocessSpec(
        values[3], values[4], integers(values[5]), values[6].toInt(), integers(values[7]), integers(values[8]),
        values[9], values[10], values[11],
    )
    val channels = if (kind == "RGBA") 4 else if (spec.color == "L") 1 else 3
    val image = read(height.toInt() * width.toInt() * channels)
    val pixels = if (kind == "RGBA") pixelsFromRgba(image, spec) else image
    return preprocess(pixels, height.toInt(), width.toInt(), spec)
}

private fun turned(values: List<String>, read: (Int) -> ByteArray): ByteArray {
    val (height, width, orientation) = values.map(String::toInt)
    val image = upright(Rgba(read(height * width * 4), height, width), orientation)
    val result = ByteArrayOutputStream()
    result.write(byteArrayOf(image.height.toByte(), image.width.toByte()))
    result.write(image.pixels)
    return result.toByteArray()
}

private fun scored(values: List<String>): ByteArray {
    val (temperature, thresholds, logits) = values
    val numbers = logits.split(",").map(String::toFloat).toFloatArray()
    val limits = if (thresholds == "-") null else thresholds.split(",").map(String::toDouble).toDoubleArray()
    val labels = List(numbers.size) { index -> "label $index" }
    val scores = rankedScores(numbers, Scoring(labels, limits != null, temperature.toDouble(), limits))
    val texts = scores.map { score -> "${score.index} ${score.probability} ${score.assigned} ${score.label}" }
    return (texts.joinToString(";") + "\n").toByteArray()
}

private fun integers(values: String): IntArray = values.split(",").map(String::toInt).toIntArray()
