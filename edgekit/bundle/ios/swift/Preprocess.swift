// Preprocessing of edgekit models: from upright pixels to the uint8 input of the model, byte for byte as in Python.
//
// The specification is the docstring of edgekit.preprocess.Preprocess; the fields of `PreprocessSpec` are those of
// "preprocess" in NAME.json, without mean and std, which are inside the model. Pixels are bytes in rows from the top,
// channels interleaved: 3 (RGB) or 1 (gray). This file uses nothing of iOS, and of Foundation only sine and cosine. The
// ports to other languages have the same functions in the same order.

import Foundation

private let precisionBits = 22  // of Pillow's filter weights: 32 bits of a sum less 8 of a pixel, 2 of headroom
private let maxResizedPixels = 1 << 24  // above this, only the crop's own box is resampled, as in edgekit
private let hammingMean = Double(Float(0.54))  // Pillow has these two in single precision
private let hammingWave = Double(Float(0.46))

// resize: one value for fit short-edge, else height and width. crop: height and width. fill: one value per channel.
struct PreprocessSpec {
    let color: String
    let fit: String
    let resize: [Int]
    let pad: Int
    let fill: [UInt8]
    let crop: [Int]
    let offset: String
    let interpolation: String
    let resampler: String
}

enum PreprocessError: Error {
    case message(String)
}

struct CenterView {
    let height: Int, width: Int, top: Int, left: Int
}

private struct Extent {
    let height: Int, width: Int
}

private struct Box {
    let top: Int, left: Int, height: Int, width: Int
}

private struct Section {
    let begin: Float, end: Float, outputs: Int, skip: Int, count: Int
}

private struct FilterTaps {
    let size: Int, first: [Int], count: [Int], weights: [Int32]
}

private struct InterpolationTaps {
    let size: Int, indexes: [Int], weights: [Float]
}

// The center crop of an image: crop height x crop width x channels bytes.
func preprocess(_ pixels: [UInt8], _ height: Int, _ width: Int, _ spec: PreprocessSpec) throws -> [UInt8] {
    let channels = channelCount(spec)
    if pixels.count != height * width * channels {
        let expected = height * width * channels
        let what = "an image of \(width)x\(height) in \(spec.color)"
        throw PreprocessError.message("\(what) has \(expected) bytes, not \(pixels.count)")
    }
    let view = centerView(height, width, spec)
    let (cropHeight, cropWidth) = (spec.crop[0], spec.crop[1])
    let top = max(view.top, 0)
    let left = max(view.left, 0)
    let bottom = min(view.top + cropHeight, view.height)
    let right = min(view.left + cropWidth, view.width)
    var crop = filled(cropHeight, cropWidth, spec)
    if bottom <= top || right <= left {
        return crop
    }
    let box = Box(top: top, left: left, height: bottom - top, width: right - left)
    let visible =
        spec.resampler == "pillow"
        ? try filteredBox(pixels, height, width, view, box, spec)
        : try interpolatedBox(pixels, height, width, view, box, spec)
    for y in 0..<box.height {
        let start = y * box.width * channels
        let target = ((y + top - view.top) * cropWidth + left - view.left) * channels
        let row = visible[start..<start + box.width * channels]
        crop.replaceSubrange(target..<target + row.count, with: row)
    }
    return crop
}

// RGB or gray from RGBA: transparent pixels are composited on white.
func pixelsFromRgba(_ rgba: [UInt8], _ spec: PreprocessSpec) -> [UInt8] {
    let count = rgba.count / 4
    let channels = channelCount(spec)
    var pixels = [UInt8](repeating: 0, count: count * channels)
    for i in 0..<count {
        let alpha = Int(rgba[4 * i + 3])
        let red = onWhite(Int(rgba[4 * i]), alpha)
        let green = onWhite(Int(rgba[4 * i + 1]), alpha)
        let blue = onWhite(Int(rgba[4 * i + 2]), alpha)
        if channels == 1 {
            pixels[i] = UInt8(luma(red, green, blue))
        } else {
            pixels[3 * i] = UInt8(red)
            pixels[3 * i + 1] = UInt8(green)
            pixels[3 * i + 2] = UInt8(blue)
        }
    }
    return pixels
}

// To which height and width the whole image is resized, and where in it the crop begins (below 0: in the padding).
func centerView(_ height: Int, _ width: Int, _ spec: PreprocessSpec) -> CenterView {
    let resized = resizedSize(height, width, spec)
    let (cropHeight, cropWidth) = (spec.crop[0], spec.crop[1])
    return CenterView(
        height: resized.height,
        width: resized.width,
        top: cropOffset(resized.height + 2 * spec.pad - cropHeight, spec) - spec.pad,
        left: cropOffset(resized.width + 2 * spec.pad - cropWidth, spec) - spec.pad
    )
}

private func channelCount(_ spec: PreprocessSpec) -> Int {
    return spec.color == "L" ? 1 : 3
}

private func filled(_ height: Int, _ width: Int, _ spec: PreprocessSpec) -> [UInt8] {
    let channels = channelCount(spec)
    return (0..<height * width * channels).map { i in spec.fill[i % channels] }
}

private func onWhite(_ value: Int, _ alpha: Int) -> Int {
    let sum = value * alpha + 255 * (255 - alpha) + 128
    return ((sum >> 8) + sum) >> 8  // sum / 255, rounded
}

private func luma(_ red: Int, _ green: Int, _ blue: Int) -> Int {
    return (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16  // ITU-R 601-2 in 16-bit fractions
}

private func resizedSize(_ height: Int, _ width: Int, _ spec: PreprocessSpec) -> Extent {
    if spec.fit == "short-edge" {
        return shortEdgeSize(height, width, spec)
    }
    let (targetHeight, targetWidth) = (spec.resize[0], spec.resize[1])
    if spec.fit == "squash" {
        return Extent(height: targetHeight, width: targetWidth)
    }
    let down = Double(height) / Double(targetHeight)
    let across = Double(width) / Double(targetWidth)
    let ratio = spec.fit == "letterbox" ? max(down, across) : min(down, across)
    return Extent(
        height: max(1, roundHalfEven(Double(height) / ratio)), width: max(1, roundHalfEven(Double(width) / ratio)))
}

private func shortEdgeSize(_ height: Int, _ width: Int, _ spec: PreprocessSpec) -> Extent {
    let short = min(height, width)
    let resizedHeight = spec.resize[0] * height / short
    let resizedWidth = spec.resize[0] * width / short
    let neededHeight = spec.crop[0] - 2 * spec.pad
    let neededWidth = spec.crop[1] - 2 * spec.pad
    if neededHeight <= resizedHeight && neededWidth <= resizedWidth {
        return Extent(height: resizedHeight, width: resizedWidth)
    }
    let byHeight = Double(neededHeight) / Double(resizedHeight) >= Double(neededWidth) / Double(resizedWidth)
    let needed = byHeight ? neededHeight : neededWidth
    let extent = byHeight ? resizedHeight : resizedWidth
    return Extent(height: dividedUp(resizedHeight * needed, extent), width: dividedUp(resizedWidth * needed, extent))
}

private func cropOffset(_ room: Int, _ spec: PreprocessSpec) -> Int {
    if room < 0 && spec.fit != "short-edge" {
        return spec.offset == "floor" ? room >> 1 : -(-room >> 1)
    }
    return spec.offset == "floor" ? room >> 1 : roundHalfEven(Double(room) / 2)
}

private func roundHalfEven(_ value: Double) -> Int {
    let floor = value.rounded(.down)
    let rest = value - floor
    if rest != 0.5 {
        return rest < 0.5 ? Int(floor) : Int(floor) + 1
    }
    return Int(floor) % 2 == 0 ? Int(floor) : Int(floor) + 1
}

private func dividedUp(_ dividend: Int, _ divisor: Int) -> Int {
    return (dividend + divisor - 1) / divisor
}

// ---- resampler "pillow": antialiased, in fixed point, with 8 bits between the two axes ----

private func filteredBox(
    _ pixels: [UInt8], _ height: Int, _ width: Int, _ view: CenterView, _ box: Box, _ spec: PreprocessSpec
) throws -> [UInt8] {
    let channels = channelCount(spec)
    let large = view.height * view.width > maxResizedPixels
    let down = axisSection(height, view.height, box.top, box.height, large)
    let across = axisSection(width, view.width, box.left, box.width, large)
    if spec.interpolation == "nearest" {
        return nearestPixels(pixels, height, width, channels, down, across)
    }
    let rows = try filterTaps(height, down, spec.interpolation)
    let columns = try filterTaps(width, across, spec.interpolation)
    let top = rows.first[0]
    let left = columns.first[0]
    let rowCount = rows.first[box.height - 1] + rows.count[box.height - 1] - top
    let columnCount = columns.first[box.width - 1] + columns.count[box.width - 1] - left
    if shrinksFirstDown(height, width, down.outputs, across.outputs) {
        let low = filteredDown(pixels, width * channels, 0, left * channels, columnCount * channels, rows)
        return filteredAcross(low, columnCount * channels, channels, 0, box.height, left, columns)
    }
    let narrow = filteredAcross(pixels, width * channels, channels, top, rowCount, 0, columns)
    return filteredDown(narrow, box.width * channels, top, 0, box.width * channels, rows)
}

// Whether Pillow filters down before across: the height loses more than twice as many pixels as the width.
private func shrinksFirstDown(_ height: Int, _ width: Int, _ outputHeight: Int, _ outputWidth: Int) -> Bool {
    return height > outputHeight && height - outputHeight > 2 * (width - outputWidth)
}

// Which outputs of a resized axis are wanted: `outputs` of them cover `begin` to `end` of the source, of which `count`
// from `skip` on are computed. Pillow keeps `begin` and `end` in single precision.
private func axisSection(_ extent: Int, _ resized: Int, _ first: Int, _ count: Int, _ large: Bool) -> Section {
    if !large {
        return Section(begin: 0, end: Float(extent), outputs: resized, skip: first, count: count)
    }
    let scale = Double(extent) / Double(resized)
    let end = min(Double(first + count) * scale, Double(extent))
    return Section(begin: Float(Double(first) * scale), end: Float(end), outputs: count, skip: 0, count: count)
}

private func nearestPixels(
    _ pixels: [UInt8], _ height: Int, _ width: Int, _ channels: Int, _ down: Section, _ across: Section
) -> [UInt8] {
    let rows = nearestIndexes(height, down)
    let columns = nearestIndexes(width, across)
    var result = [UInt8](repeating: 0, count: down.count * across.count * channels)
    for y in 0..<down.count {
        for x in 0..<across.count {
            let source = (rows[y] * width + columns[x]) * channels
            let target = (y * across.count + x) * channels
            for c in 0..<channels {
                result[target + c] = pixels[source + c]
            }
        }
    }
    return result
}

private func nearestIndexes(_ extent: Int, _ section: Section) -> [Int] {
    let scale = Double(section.end - section.begin) / Double(section.outputs)
    var indexes = [Int](repeating: 0, count: section.count)
    var position = Double(section.begin) + scale * 0.5  // summed step by step, as Pillow does: the rounding shows
    for i in 0..<section.skip + section.count {
        if i >= section.skip {
            indexes[i - section.skip] = min(Int(position.rounded(.down)), extent - 1)
        }
        position += scale
    }
    return indexes
}

// For each output pixel along an axis: the first source pixel, how many there are, and their weights as integers.
private func filterTaps(_ extent: Int, _ section: Section, _ interpolation: String) throws -> FilterTaps {
    let scale = Double(section.end - section.begin) / Double(section.outputs)
    let stretch = max(scale, 1)
    let support = try filterSupport(interpolation) * stretch
    let size = Int(support.rounded(.up)) * 2 + 1
    var first = [Int](repeating: 0, count: section.count)
    var count = [Int](repeating: 0, count: section.count)
    var weights = [Int32](repeating: 0, count: section.count * size)
    var exact = [Double](repeating: 0, count: size)
    for i in 0..<section.count {
        let center = Double(section.begin) + (Double(i + section.skip) + 0.5) * scale
        first[i] = max(0, Int(center - support + 0.5))
        count[i] = min(extent, Int(center + support + 0.5)) - first[i]
        var sum = 0.0
        for k in 0..<count[i] {
            exact[k] = try filterWeight(interpolation, (Double(k + first[i]) - center + 0.5) * (1 / stretch))
            sum += exact[k]
        }
        for k in 0..<count[i] {
            let weight = (sum == 0 ? exact[k] : exact[k] / sum) * Double(1 << precisionBits)
            weights[i * size + k] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
        }
    }
    return FilterTaps(size: size, first: first, count: count, weights: weights)
}

private func filterSupport(_ interpolation: String) throws -> Double {
    switch interpolation {
    case "box":
        return 0.5
    case "bilinear", "hamming":
        return 1
    case "bicubic":
        return 2
    case "lanczos":
        return 3
    default:
        throw PreprocessError.message("unknown interpolation \(interpolation)")
    }
}

private func filterWeight(_ interpolation: String, _ x: Double) throws -> Double {
    let distance = abs(x)
    switch interpolation {
    case "box":
        return x > -0.5 && x <= 0.5 ? 1 : 0
    case "bilinear":
        return distance < 1 ? 1 - distance : 0
    case "hamming":
        return distance < 1 ? sinc(distance) * (hammingMean + hammingWave * cos(distance * Double.pi)) : 0
    case "bicubic":  // Keys' kernel with a = -0.5
        if distance < 1 {
            return (1.5 * distance - 2.5) * distance * distance + 1
        }
        return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * -0.5 : 0
    case "lanczos":
        return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0
    default:
        throw PreprocessError.message("unknown interpolation \(interpolation)")
    }
}

private func sinc(_ x: Double) -> Double {
    return x == 0 ? 1 : sin(x * Double.pi) / (x * Double.pi)
}

// `rowCount` rows from `firstRow` on; the first byte of each belongs to the source's column `left`.
private func filteredAcross(
    _ pixels: [UInt8], _ rowBytes: Int, _ channels: Int, _ firstRow: Int, _ rowCount: Int, _ left: Int,
    _ taps: FilterTaps
) -> [UInt8] {
    let columnCount = taps.first.count
    var result = [UInt8](repeating: 0, count: rowCount * columnCount * channels)
    for y in 0..<rowCount {
        for x in 0..<columnCount {
            let source = (y + firstRow) * rowBytes + (taps.first[x] - left) * channels
            let target = (y * columnCount + x) * channels
            for c in 0..<channels {
                var sum = Int32(1) << (precisionBits - 1)
                for k in 0..<taps.count[x] {
                    sum &+= taps.weights[x * taps.size + k] &* Int32(pixels[source + k * channels + c])
                }
                result[target + c] = clamped(Int(sum >> precisionBits))
            }
        }
    }
    return result
}

// `byteCount` bytes of each row from `firstByte` on; the first row is the source's row `top`.
private func filteredDown(
    _ pixels: [UInt8], _ rowBytes: Int, _ top: Int, _ firstByte: Int, _ byteCount: Int, _ taps: FilterTaps
) -> [UInt8] {
    let rowCount = taps.first.count
    var result = [UInt8](repeating: 0, count: rowCount * byteCount)
    for y in 0..<rowCount {
        let source = (taps.first[y] - top) * rowBytes + firstByte
        for x in 0..<byteCount {
            var sum = Int32(1) << (precisionBits - 1)
            for k in 0..<taps.count[y] {
                sum &+= taps.weights[y * taps.size + k] &* Int32(pixels[source + k * rowBytes + x])
            }
            result[y * byteCount + x] = clamped(Int(sum >> precisionBits))
        }
    }
    return result
}

private func clamped(_ value: Int) -> UInt8 {
    return UInt8(min(max(value, 0), 255))
}

// ---- resamplers "torch" and "tensorflow": not antialiased, in single precision after each operation ----

private func interpolatedBox(
    _ pixels: [UInt8], _ height: Int, _ width: Int, _ view: CenterView, _ box: Box, _ spec: PreprocessSpec
) throws -> [UInt8] {
    let channels = channelCount(spec)
    let rows = try interpolationTaps(height, view.height, box.top, box.height, spec)
    let columns = try interpolationTaps(width, view.width, box.left, box.width, spec)
    var result = [UInt8](repeating: 0, count: box.height * box.width * channels)
    for y in 0..<box.height {
        for x in 0..<box.width {
            for c in 0..<channels {
                var sum = Float(0)
                for k in 0..<rows.size {
                    let row = rows.indexes[y * rows.size + k] * width
                    let value = sumAcross(pixels, row, channels, c, columns, x * columns.size)
                    sum += value * rows.weights[y * rows.size + k]
                }
                result[(y * box.width + x) * channels + c] = clamped(roundHalfEven(Double(sum)))
            }
        }
    }
    return result
}

private func sumAcross(
    _ pixels: [UInt8], _ row: Int, _ channels: Int, _ channel: Int, _ taps: InterpolationTaps, _ first: Int
) -> Float {
    var sum = Float(0)
    for k in first..<first + taps.size {
        let value = pixels[(row + taps.indexes[k]) * channels + channel]
        sum += Float(value) * taps.weights[k]
    }
    return sum
}

// For each output pixel along an axis: the indexes and the weights of `size` source pixels.
private func interpolationTaps(
    _ extent: Int, _ resized: Int, _ first: Int, _ count: Int, _ spec: PreprocessSpec
) throws -> InterpolationTaps {
    let size = try tapCount(spec)
    var indexes = [Int](repeating: 0, count: count * size)
    var weights = [Float](repeating: 0, count: count * size)
    let scale = Float(extent) / Float(resized)
    for i in 0..<count {
        let output = Float(i + first)
        if spec.interpolation == "nearest" {
            let position = spec.resampler == "torch" ? output : output + 0.5
            indexes[i] = min(Int(position * scale), extent - 1)
            weights[i] = 1
            continue
        }
        let coordinate = (output + 0.5) * scale - 0.5
        if spec.interpolation == "bilinear" {
            setBilinear(&indexes, &weights, i * size, max(coordinate, 0), extent)
        } else if spec.resampler == "torch" {
            setTorchBicubic(&indexes, &weights, i * size, coordinate, extent)
        } else {
            setTensorflowBicubic(&indexes, &weights, i * size, coordinate, extent)
        }
    }
    return InterpolationTaps(size: size, indexes: indexes, weights: weights)
}

private func tapCount(_ spec: PreprocessSpec) throws -> Int {
    switch spec.interpolation {
    case "nearest":
        return 1
    case "bilinear":
        return 2
    case "bicubic":
        return 4
    default:  // TensorFlow's lanczos: its sines in single precision differ from one machine to the next
        throw PreprocessError.message("\(spec.interpolation) of resampler \(spec.resampler) has no port")
    }
}

private func setBilinear(
    _ indexes: inout [Int], _ weights: inout [Float], _ at: Int, _ coordinate: Float, _ extent: Int
) {
    let floor = coordinate.rounded(.down)
    let share = coordinate - floor
    indexes[at] = min(Int(floor), extent - 1)
    indexes[at + 1] = min(Int(floor) + 1, extent - 1)
    weights[at] = 1 - share
    weights[at + 1] = share
}

private func setTorchBicubic(
    _ indexes: inout [Int], _ weights: inout [Float], _ at: Int, _ coordinate: Float, _ extent: Int
) {
    let floor = coordinate.rounded(.down)
    setKeysWeights(&weights, at, coordinate - floor, -0.75)
    for k in 0..<4 {
        indexes[at + k] = min(max(Int(floor) - 1 + k, 0), extent - 1)
    }
}

private func setTensorflowBicubic(
    _ indexes: inout [Int], _ weights: inout [Float], _ at: Int, _ coordinate: Float, _ extent: Int
) {
    let floor = coordinate.rounded(.down)
    let share = Float(roundHalfEven(Double((coordinate - floor) * 1024))) / 1024
    setKeysWeights(&weights, at, share, -0.5)
    var sum = Float(0)
    for k in 0..<4 {
        let index = Int(floor) - 1 + k
        if index < 0 || index >= extent {
            weights[at + k] = 0
        }
        indexes[at + k] = min(max(index, 0), extent - 1)
        sum += weights[at + k]
    }
    let inverse = 1 / sum
    for k in 0..<4 {
        weights[at + k] = weights[at + k] * inverse
    }
}

// Keys' kernel for the four pixels around a coordinate that lies `share` beyond the second of them.
private func setKeysWeights(_ weights: inout [Float], _ at: Int, _ share: Float, _ a: Float) {
    weights[at] = keysFar(share + 1, a)
    weights[at + 1] = keysNear(share, a)
    weights[at + 2] = keysNear(1 - share, a)
    weights[at + 3] = keysFar(2 - share, a)
}

private func keysNear(_ distance: Float, _ a: Float) -> Float {
    let slope = (a + 2) * distance - (a + 3)
    return slope * distance * distance + 1
}

private func keysFar(_ distance: Float, _ a: Float) -> Float {
    if distance <= 1 {
        return keysNear(distance, a)
    }
    let slope = a * distance - 5 * a
    let curve = slope * distance + 8 * a
    return curve * distance - 4 * a
}
