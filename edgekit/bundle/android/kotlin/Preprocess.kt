// Preprocessing of edgekit models: from upright pixels to the uint8 input of the model, byte for byte as in Python.
//
// The specification is the docstring of edgekit.preprocess.Preprocess; the fields of `PreprocessSpec` are those of
// "preprocess" in NAME.json, without mean and std, which are inside the model. Pixels are bytes in rows from the top,
// channels interleaved: 3 (RGB) or 1 (gray). This file uses nothing of Android. The ports to other languages have the
// same functions in the same order.

package edgekit

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.cos
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin

private const val PRECISION_BITS = 22 // of Pillow's filter weights: 32 bits of a sum less 8 of a pixel, 2 of headroom
private const val MAX_RESIZED_PIXELS = 1L shl 24 // above this, only the crop's own box is resampled, as in edgekit
private const val HAMMING_MEAN = 0.54f // Pillow has these two in single precision
private const val HAMMING_WAVE = 0.46f

// resize: one value for fit short-edge, else height and width. crop: height and width. fill: one value per channel.
class PreprocessSpec(
    val color: String,
    val fit: String,
    val resize: IntArray,
    val pad: Int,
    val fill: IntArray,
    val crop: IntArray,
    val offset: String,
    val interpolation: String,
    val resampler: String,
)

class CenterView(val height: Int, val width: Int, val top: Int, val left: Int)

private class Extent(val height: Int, val width: Int)

private class Box(val top: Int, val left: Int, val height: Int, val width: Int)

private class Section(val begin: Float, val end: Float, val outputs: Int, val skip: Int, val count: Int)

private class FilterTaps(val size: Int, val first: IntArray, val count: IntArray, val weights: IntArray)

private class InterpolationTaps(val size: Int, val indexes: IntArray, val weights: FloatArray)

// The center crop of an image: crop height x crop width x channels bytes.
fun preprocess(pixels: ByteArray, height: Int, width: Int, spec: PreprocessSpec): ByteArray {
    val channels = channelCount(spec)
    if (pixels.size.toLong() != height.toLong() * width * channels) {
        val expected = height.toLong() * width * channels
        val what = "an image of ${width}x$height in ${spec.color}"
        throw IllegalArgumentException("$what has $expected bytes, not ${pixels.size}")
    }
    val view = centerView(height, width, spec)
    val (cropHeight, cropWidth) = spec.crop
    val top = max(view.top, 0)
    val left = max(view.left, 0)
    val bottom = min(view.top + cropHeight, view.height)
    val right = min(view.left + cropWidth, view.width)
    val crop = filled(cropHeight, cropWidth, spec)
    if (bottom <= top || right <= left) {
        return crop
    }
    val box = Box(top, left, bottom - top, right - left)
    val visible = if (spec.resampler == "pillow") {
        filteredBox(pixels, height, width, view, box, spec)
    } else {
        interpolatedBox(pixels, height, width, view, box, spec)
    }
    for (y in 0 until box.height) {
        val start = y * box.width * channels
        val target = ((y + top - view.top) * cropWidth + left - view.left) * channels
        visible.copyInto(crop, target, start, start + box.width * channels)
    }
    return crop
}

// RGB or gray from RGBA: transparent pixels are composited on white.
fun pixelsFromRgba(rgba: ByteArray, spec: PreprocessSpec): ByteArray {
    val count = rgba.size / 4
    val channels = channelCount(spec)
    val pixels = ByteArray(count * channels)
    for (i in 0 until count) {
        val alpha = rgba[4 * i + 3].toInt() and 255
        val red = onWhite(rgba[4 * i].toInt() and 255, alpha)
        val green = onWhite(rgba[4 * i + 1].toInt() and 255, alpha)
        val blue = onWhite(rgba[4 * i + 2].toInt() and 255, alpha)
        if (channels == 1) {
            pixels[i] = luma(red, green, blue).toByte()
        } else {
            pixels[3 * i] = red.toByte()
            pixels[3 * i + 1] = green.toByte()
            pixels[3 * i + 2] = blue.toByte()
        }
    }
    return pixels
}

// To which height and width the whole image is resized, and where in it the crop begins (below 0: in the padding).
fun centerView(height: Int, width: Int, spec: PreprocessSpec): CenterView {
    val resized = resizedSize(height, width, spec)
    val (cropHeight, cropWidth) = spec.crop
    return CenterView(
        resized.height,
        resized.width,
        cropOffset(resized.height + 2 * spec.pad - cropHeight, spec) - spec.pad,
        cropOffset(resized.width + 2 * spec.pad - cropWidth, spec) - spec.pad,
    )
}

private fun channelCount(spec: PreprocessSpec): Int {
    return if (spec.color == "L") 1 else 3
}

private fun filled(height: Int, width: Int, spec: PreprocessSpec): ByteArray {
    val channels = channelCount(spec)
    return ByteArray(height * width * channels) { i -> spec.fill[i % channels].toByte() }
}

private fun onWhite(value: Int, alpha: Int): Int {
    val sum = value * alpha + 255 * (255 - alpha) + 128
    return ((sum shr 8) + sum) shr 8 // sum / 255, rounded
}

private fun luma(red: Int, green: Int, blue: Int): Int {
    return (red * 19595 + green * 38470 + blue * 7471 + 32768) shr 16 // ITU-R 601-2 in 16-bit fractions
}

private fun resizedSize(height: Int, width: Int, spec: PreprocessSpec): Extent {
    if (spec.fit == "short-edge") {
        return shortEdgeSize(height, width, spec)
    }
    val (targetHeight, targetWidth) = spec.resize
    if (spec.fit == "squash") {
        return Extent(targetHeight, targetWidth)
    }
    val down = height.toDouble() / targetHeight
    val across = width.toDouble() / targetWidth
    val ratio = if (spec.fit == "letterbox") max(down, across) else min(down, across)
    return Extent(max(1, roundHalfEven(height / ratio)), max(1, roundHalfEven(width / ratio)))
}

private fun shortEdgeSize(height: Int, width: Int, spec: PreprocessSpec): Extent {
    val short = min(height, width)
    val resizedHeight = (spec.resize[0].toLong() * height / short).toInt()
    val resizedWidth = (spec.resize[0].toLong() * width / short).toInt()
    val neededHeight = spec.crop[0] - 2 * spec.pad
    val neededWidth = spec.crop[1] - 2 * spec.pad
    if (neededHeight <= resizedHeight && neededWidth <= resizedWidth) {
        return Extent(resizedHeight, resizedWidth)
    }
    val byHeight = neededHeight.toDouble() / resizedHeight >= neededWidth.toDouble() / resizedWidth
    val needed = if (byHeight) neededHeight else neededWidth
    val extent = if (byHeight) resizedHeight else resizedWidth
    return Extent(dividedUp(resizedHeight.toLong() * needed, extent), dividedUp(resizedWidth.toLong() * needed, extent))
}

private fun cropOffset(room: Int, spec: PreprocessSpec): Int {
    if (room < 0 && spec.fit != "short-edge") {
        return if (spec.offset == "floor") Math.floorDiv(room, 2) else -Math.floorDiv(-room, 2)
    }
    return if (spec.offset == "floor") Math.floorDiv(room, 2) else roundHalfEven(room / 2.0)
}

private fun roundHalfEven(value: Double): Int {
    val floor = floor(value)
    val rest = value - floor
    if (rest != 0.5) {
        return if (rest < 0.5) floor.toInt() else floor.toInt() + 1
    }
    return if (floor.toInt() % 2 == 0) floor.toInt() else floor.toInt() + 1
}

private fun dividedUp(dividend: Long, divisor: Int): Int {
    return ((dividend + divisor - 1) / divisor).toInt()
}

// ---- resampler "pillow": antialiased, in fixed point, with 8 bits between the two axes ----

private fun filteredBox(
    pixels: ByteArray, height: Int, width: Int, view: CenterView, box: Box, spec: PreprocessSpec,
): ByteArray {
    val channels = channelCount(spec)
    val large = view.height.toLong() * view.width > MAX_RESIZED_PIXELS
    val down = axisSection(height, view.height, box.top, box.height, large)
    val across = axisSection(width, view.width, box.left, box.width, large)
    if (spec.interpolation == "nearest") {
        return nearestPixels(pixels, height, width, channels, down, across)
    }
    val rows = filterTaps(height, down, spec.interpolation)
    val columns = filterTaps(width, across, spec.interpolation)
    val top = rows.first[0]
    val left = columns.first[0]
    val rowCount = rows.first[box.height - 1] + rows.count[box.height - 1] - top
    val columnCount = columns.first[box.width - 1] + columns.count[box.width - 1] - left
    if (shrinksFirstDown(height, width, down.outputs, across.outputs)) {
        val low = filteredDown(pixels, width * channels, 0, left * channels, columnCount * channels, rows)
        return filteredAcross(low, columnCount * channels, channels, 0, box.height, left, columns)
    }
    val narrow = filteredAcross(pixels, width * channels, channels, top, rowCount, 0, columns)
    return filteredDown(narrow, box.width * channels, top, 0, box.width * channels, rows)
}

// Whether Pillow filters down before across: the height loses more than twice as many pixels as the width.
private fun shrinksFirstDown(height: Int, width: Int, outputHeight: Int, outputWidth: Int): Boolean {
    return height > outputHeight && height - outputHeight > 2 * (width - outputWidth)
}

// Which outputs of a resized axis are wanted: `outputs` of them cover `begin` to `end` of the source, of which `count`
// from `skip` on are computed. Pillow keeps `begin` and `end` in single precision.
private fun axisSection(extent: Int, resized: Int, first: Int, count: Int, large: Boolean): Section {
    if (!large) {
        return Section(0f, extent.toFloat(), resized, first, count)
    }
    val scale = extent.toDouble() / resized
    val end = min((first + count) * scale, extent.toDouble())
    return Section((first * scale).toFloat(), end.toFloat(), count, 0, count)
}

private fun nearestPixels(
    pixels: ByteArray, height: Int, width: Int, channels: Int, down: Section, across: Section,
): ByteArray {
    val rows = nearestIndexes(height, down)
    val columns = nearestIndexes(width, across)
    val result = ByteArray(down.count * across.count * channels)
    for (y in 0 until down.count) {
        for (x in 0 until across.count) {
            val source = (rows[y] * width + columns[x]) * channels
            val target = (y * across.count + x) * channels
            for (c in 0 until channels) {
                result[target + c] = pixels[source + c]
            }
        }
    }
    return result
}

private fun nearestIndexes(extent: Int, section: Section): IntArray {
    val scale = (section.end - section.begin).toDouble() / section.outputs
    val indexes = IntArray(section.count)
    var position = section.begin + scale * 0.5 // summed step by step, as Pillow does, because the rounding shows
    for (i in 0 until section.skip + section.count) {
        if (i >= section.skip) {
            indexes[i - section.skip] = min(floor(position).toInt(), extent - 1)
        }
        position += scale
    }
    return indexes
}

// For each output pixel along an axis: the first source pixel, how many there are, and their weights as integers.
private fun filterTaps(extent: Int, section: Section, interpolation: String): FilterTaps {
    val scale = (section.end - section.begin).toDouble() / section.outputs
    val stretch = max(scale, 1.0)
    val support = filterSupport(interpolation) * stretch
    val size = ceil(support).toInt() * 2 + 1
    val first = IntArray(section.count)
    val count = IntArray(section.count)
    val weights = IntArray(section.count * size)
    val exact = DoubleArray(size)
    for (i in 0 until section.count) {
        val center = section.begin + (i + section.skip + 0.5) * scale
        first[i] = max(0, (center - support + 0.5).toInt())
        count[i] = min(extent, (center + support + 0.5).toInt()) - first[i]
        var sum = 0.0
        for (k in 0 until count[i]) {
            exact[k] = filterWeight(interpolation, (k + first[i] - center + 0.5) * (1 / stretch))
            sum += exact[k]
        }
        for (k in 0 until count[i]) {
            val weight = (if (sum == 0.0) exact[k] else exact[k] / sum) * (1 shl PRECISION_BITS)
            weights[i * size + k] = (if (weight < 0) weight - 0.5 else weight + 0.5).toInt()
        }
    }
    return FilterTaps(size, first, count, weights)
}

private fun filterSupport(interpolation: String): Double {
    return when (interpolation) {
        "box" -> 0.5
        "bilinear", "hamming" -> 1.0
        "bicubic" -> 2.0
        "lanczos" -> 3.0
        else -> throw IllegalArgumentException("unknown interpolation $interpolation")
    }
}

private fun filterWeight(interpolation: String, x: Double): Double {
    val distance = abs(x)
    return when (interpolation) {
        "box" -> if (x > -0.5 && x <= 0.5) 1.0 else 0.0
        "bilinear" -> if (distance < 1) 1 - distance else 0.0
        "hamming" -> if (distance < 1) sinc(distance) * (HAMMING_MEAN + HAMMING_WAVE * cos(distance * PI)) else 0.0
        "bicubic" -> // Keys' kernel with a = -0.5
            if (distance < 1) {
                (1.5 * distance - 2.5) * distance * distance + 1
            } else if (distance < 2) {
                (((distance - 5) * distance + 8) * distance - 4) * -0.5
            } else {
                0.0
            }
        "lanczos" -> if (x >= -3 && x < 3) sinc(x) * sinc(x / 3) else 0.0
        else -> throw IllegalArgumentException("unknown interpolation $interpolation")
    }
}

private fun sinc(x: Double): Double {
    return if (x == 0.0) 1.0 else sin(x * PI) / (x * PI)
}

// `rowCount` rows from `firstRow` on; the first byte of each belongs to the source's column `left`.
private fun filteredAcross(
    pixels: ByteArray, rowBytes: Int, channels: Int, firstRow: Int, rowCount: Int, left: Int, taps: FilterTaps,
): ByteArray {
    val columnCount = taps.first.size
    val result = ByteArray(rowCount * columnCount * channels)
    for (y in 0 until rowCount) {
        for (x in 0 until columnCount) {
            val source = (y + firstRow) * rowBytes + (taps.first[x] - left) * channels
            val target = (y * columnCount + x) * channels
            for (c in 0 until channels) {
                var sum = 1 shl (PRECISION_BITS - 1)
                for (k in 0 until taps.count[x]) {
                    sum += taps.weights[x * taps.size + k] * (pixels[source + k * channels + c].toInt() and 255)
                }
                result[target + c] = clamped(sum shr PRECISION_BITS)
            }
        }
    }
    return result
}

// `byteCount` bytes of each row from `firstByte` on; the first row is the source's row `top`.
private fun filteredDown(
    pixels: ByteArray, rowBytes: Int, top: Int, firstByte: Int, byteCount: Int, taps: FilterTaps,
): ByteArray {
    val rowCount = taps.first.size
    val result = ByteArray(rowCount * byteCount)
    for (y in 0 until rowCount) {
        val source = (taps.first[y] - top) * rowBytes + firstByte
        for (x in 0 until byteCount) {
            var sum = 1 shl (PRECISION_BITS - 1)
            for (k in 0 until taps.count[y]) {
                sum += taps.weights[y * taps.size + k] * (pixels[source + k * rowBytes + x].toInt() and 255)
            }
            result[y * byteCount + x] = clamped(sum shr PRECISION_BITS)
        }
    }
    return result
}

private fun clamped(value: Int): Byte {
    return min(max(value, 0), 255).toByte()
}

// ---- resamplers "torch" and "tensorflow": not antialiased, in single precision after each operation ----

private fun interpolatedBox(
    pixels: ByteArray, height: Int, width: Int, view: CenterView, box: Box, spec: PreprocessSpec,
): ByteArray {
    val channels = channelCount(spec)
    val rows = interpolationTaps(height, view.height, box.top, box.height, spec)
    val columns = interpolationTaps(width, view.width, box.left, box.width, spec)
    val result = ByteArray(box.height * box.width * channels)
    for (y in 0 until box.height) {
        for (x in 0 until box.width) {
            for (c in 0 until channels) {
                var sum = 0f
                for (k in 0 until rows.size) {
                    val row = rows.indexes[y * rows.size + k] * width
                    val value = sumAcross(pixels, row, channels, c, columns, x * columns.size)
                    sum += value * rows.weights[y * rows.size + k]
                }
                result[(y * box.width + x) * channels + c] = clamped(roundHalfEven(sum.toDouble()))
            }
        }
    }
    return result
}

private fun sumAcross(
    pixels: ByteArray, row: Int, channels: Int, channel: Int, taps: InterpolationTaps, first: Int,
): Float {
    var sum = 0f
    for (k in first until first + taps.size) {
        val value = pixels[(row + taps.indexes[k]) * channels + channel].toInt() and 255
        sum += value * taps.weights[k]
    }
    return sum
}

// For each output pixel along an axis: the indexes and the weights of `size` source pixels.
private fun interpolationTaps(
    extent: Int, resized: Int, first: Int, count: Int, spec: PreprocessSpec,
): InterpolationTaps {
    val size = tapCount(spec)
    val indexes = IntArray(count * size)
    val weights = FloatArray(count * size)
    val scale = extent.toFloat() / resized
    for (i in 0 until count) {
        val output = (i + first).toFloat()
        if (spec.interpolation == "nearest") {
            val position = if (spec.resampler == "torch") output else output + 0.5f
            indexes[i] = min((position * scale).toInt(), extent - 1)
            weights[i] = 1f
            continue
        }
        val coordinate = (output + 0.5f) * scale - 0.5f
        if (spec.interpolation == "bilinear") {
            setBilinear(indexes, weights, i * size, max(coordinate, 0f), extent)
        } else if (spec.resampler == "torch") {
            setTorchBicubic(indexes, weights, i * size, coordinate, extent)
        } else {
            setTensorflowBicubic(indexes, weights, i * size, coordinate, extent)
        }
    }
    return InterpolationTaps(size, indexes, weights)
}

private fun tapCount(spec: PreprocessSpec): Int {
    return when (spec.interpolation) {
        "nearest" -> 1
        "bilinear" -> 2
        "bicubic" -> 4
        else -> // TensorFlow's lanczos: its sines in single precision differ from one machine to the next
            throw IllegalArgumentException("${spec.interpolation} of resampler ${spec.resampler} has no port")
    }
}

private fun setBilinear(indexes: IntArray, weights: FloatArray, at: Int, coordinate: Float, extent: Int) {
    val floor = floor(coordinate)
    val share = coordinate - floor
    indexes[at] = min(floor.toInt(), extent - 1)
    indexes[at + 1] = min(floor.toInt() + 1, extent - 1)
    weights[at] = 1 - share
    weights[at + 1] = share
}

private fun setTorchBicubic(indexes: IntArray, weights: FloatArray, at: Int, coordinate: Float, extent: Int) {
    val floor = floor(coordinate)
    setKeysWeights(weights, at, coordinate - floor, -0.75f)
    for (k in 0 until 4) {
        indexes[at + k] = min(max(floor.toInt() - 1 + k, 0), extent - 1)
    }
}

private fun setTensorflowBicubic(indexes: IntArray, weights: FloatArray, at: Int, coordinate: Float, extent: Int) {
    val floor = floor(coordinate)
    val share = roundHalfEven(((coordinate - floor) * 1024).toDouble()) / 1024f
    setKeysWeights(weights, at, share, -0.5f)
    var sum = 0f
    for (k in 0 until 4) {
        val index = floor.toInt() - 1 + k
        if (index < 0 || index >= extent) {
            weights[at + k] = 0f
        }
        indexes[at + k] = min(max(index, 0), extent - 1)
        sum += weights[at + k]
    }
    val inverse = 1 / sum
    for (k in 0 until 4) {
        weights[at + k] = weights[at + k] * inverse
    }
}

// Keys' kernel for the four pixels around a coordinate that lies `share` beyond the second of them.
private fun setKeysWeights(weights: FloatArray, at: Int, share: Float, a: Float) {
    weights[at] = keysFar(share + 1, a)
    weights[at + 1] = keysNear(share, a)
    weights[at + 2] = keysNear(1 - share, a)
    weights[at + 3] = keysFar(2 - share, a)
}

private fun keysNear(distance: Float, a: Float): Float {
    val slope = (a + 2) * distance - (a + 3)
    return slope * distance * distance + 1
}

private fun keysFar(distance: Float, a: Float): Float {
    if (distance <= 1) {
        return keysNear(distance, a)
    }
    val slope = a * distance - 5 * a
    val curve = slope * distance + 8 * a
    return curve * distance - 4 * a
}
