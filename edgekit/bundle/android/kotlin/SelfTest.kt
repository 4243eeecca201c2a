// The self-test of a bundle: its golden vectors, stage by stage, from JPEG to labels.

package edgekit

import kotlin.math.abs
import kotlin.math.max
import org.json.JSONArray
import org.json.JSONObject

class Stage(val name: String, val passed: Boolean, val text: String)

private class VectorResult(
    val name: String,
    val fileEqual: Boolean,
    val decodedEqual: Boolean,
    val differentBytes: Int?, // null: not judged, because the image decodes differently here
    val difference: Float,
    val labelsEqual: Boolean,
)

// read: the content of a file of the bundle; decode: `decodeImage` on Android; report: called with each finished stage.
// Returns whether all stages passed. A crop whose image decodes differently here is judged from the golden one on.
fun selfTest(
    name: String,
    classifier: Classifier,
    read: (String) -> ByteArray,
    decode: (ByteArray) -> Rgba,
    report: (Stage) -> Unit,
): Boolean {
    val golden = JSONObject(String(read("$name.golden.json"), Charsets.UTF_8))
    val crops = read(golden.getJSONObject("input").getString("file"))
    val tolerance = golden.getJSONObject("tolerance").getDouble("other").toFloat() // the .ort has kernels of its own
    val vectors = golden.getJSONArray("vectors")
    val results = List(vectors.length()) { i ->
        testVector(vectors.getJSONObject(i), classifier, crops, tolerance, read, decode)
    }
    val stages = listOf(
        decodingStage(results), preprocessingStage(results), networkStage(results, tolerance), labelStage(results),
    )
    stages.forEach(report)
    return stages.all { stage -> stage.passed }
}

private fun testVector(
    vector: JSONObject,
    classifier: Classifier,
    crops: ByteArray,
    tolerance: Float,
    read: (String) -> ByteArray,
    decode: (ByteArray) -> Rgba,
): VectorResult {
    val spec = classifier.preprocessing
    val offset = vector.getInt("offset")
    val crop = crops.copyOfRange(offset, offset + filledSize(spec))
    val jpeg = read(vector.getJSONObject("jpeg").getString("file"))
    val image = decode(jpeg)
    val pixels = pixelsFromRgba(image.pixels, spec)
    val decoded = vector.getJSONObject("decoded")
    val decodedEqual = image.width == decoded.getInt("width") &&
        image.height == decoded.getInt("height") &&
        sha256(pixels) == decoded.getString("sha256")
    val ownCrop = if (decodedEqual) preprocess(pixels, image.height, image.width, spec) else crop
    val logits = classifier.logits(crop)
    val ownLogits = if (decodedEqual) classifier.logits(ownCrop) else logits
    val expected = floats(vector.getJSONArray("logits"))
    val top = vector.getJSONArray("top")
    val own = rankedScores(ownLogits, classifier.scoring).take(top.length())
    val jpegEqual = sha256(jpeg) == vector.getJSONObject("jpeg").getString("sha256")
    return VectorResult(
        vector.getString("image"),
        jpegEqual && sha256(crop) == vector.getString("pixels_sha256"),
        decodedEqual,
        if (decodedEqual) ownCrop.indices.count { i -> ownCrop[i] != crop[i] } else null,
        largestDifference(logits, expected),
        own.indices.all { rank -> mayHaveRank(expected, own[rank].index, top.getJSONObject(rank), tolerance) },
    )
}

// Whether the class may have the rank of `golden`: it is that class, or the tolerance cannot tell their logits apart.
private fun mayHaveRank(expected: FloatArray, index: Int, golden: JSONObject, tolerance: Float): Boolean {
    return abs(expected[index] - expected[golden.getInt("index")]) <= 2 * tolerance
}

private fun decodingStage(results: List<VectorResult>): Stage {
    val damaged = results.filter { result -> !result.fileEqual }
    if (damaged.isNotEmpty()) {
        return Stage("decoding", false, "files of ${names(damaged)} are damaged")
    }
    val different = results.filter { result -> !result.decodedEqual }
    val text = "${results.size - different.size} of ${results.size} images decoded byte for byte"
    return Stage("decoding", different.isEmpty(), withNames(text, different))
}

private fun preprocessingStage(results: List<VectorResult>): Stage {
    val judged = results.filter { result -> result.differentBytes != null }
    val different = judged.filter { result -> result.differentBytes != 0 }
    val text = "${judged.size - different.size} of ${judged.size} crops equal byte for byte"
    val skipped = results.size - judged.size
    val note = if (skipped > 0) " ($skipped not judged, because they decode differently)" else ""
    return Stage("preprocessing", different.isEmpty(), withNames(text, different) + note)
}

private fun networkStage(results: List<VectorResult>, tolerance: Float): Stage {
    val different = results.filter { result -> !(result.difference <= tolerance) }
    val largest = results.fold(0f) { most, result -> max(most, result.difference) }
    val text = "${results.size - different.size} of ${results.size} crops within the tolerance of the logits"
    val figures = "largest difference $largest, tolerance $tolerance"
    return Stage("network", different.isEmpty(), "${withNames(text, different)}; $figures")
}

private fun labelStage(results: List<VectorResult>): Stage {
    val different = results.filter { result -> !result.labelsEqual }
    val text = "${results.size - different.size} of ${results.size} images with the same labels in the same order"
    return Stage("labels", different.isEmpty(), withNames(text, different))
}

private fun largestDifference(logits: FloatArray, expected: FloatArray): Float {
    if (logits.size != expected.size) {
        return Float.POSITIVE_INFINITY
    }
    return logits.indices.fold(0f) { largest, i -> max(largest, abs(logits[i] - expected[i])) } // NaN stays NaN
}

private fun withNames(text: String, different: List<VectorResult>): String {
    return if (different.isEmpty()) text else "$text; different: ${names(different)}"
}

private fun names(results: List<VectorResult>): String {
    return results.joinToString(", ") { result -> result.name }
}

private fun filledSize(spec: PreprocessSpec): Int {
    return spec.crop[0] * spec.crop[1] * (if (spec.color == "L") 1 else 3)
}

private fun floats(values: JSONArray): FloatArray {
    return FloatArray(values.length()) { i -> values.getDouble(i).toFloat() }
}
