// Decoding on iOS: the pixels that an image file contains, not converted by color profiles.

import CoreGraphics
import Foundation
import ImageIO

// content: of an image file. Returns the upright image.
func decodeImage(_ content: Data) throws -> Rgba {
    guard let source = CGImageSourceCreateWithData(content as CFData, nil),
        let image = CGImageSourceCreateImageAtIndex(source, 0, nil)
    else {
        throw ClassifierError.message("not an image that iOS can decode")
    }
    let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
    let orientation = properties?[kCGImagePropertyOrientation] as? Int ?? 1
    return upright(try storedPixels(image), orientation)
}

// Drawn into a bitmap of its own color space, an image keeps its values.
private func storedPixels(_ image: CGImage) throws -> Rgba {
    guard let space = image.colorSpace, space.model == .rgb || space.model == .monochrome else {
        throw ClassifierError.message("images of this color model are not supported; convert the image to RGB")
    }
    let opaque: Set<CGImageAlphaInfo> = [.none, .noneSkipFirst, .noneSkipLast]
    if space.model == .monochrome {
        return withGrayChannels(try drawn(image, space, channels: 1, alpha: .none), image)
    }
    let isOpaque = opaque.contains(image.alphaInfo)
    let bytes = try drawn(image, space, channels: 4, alpha: isOpaque ? .noneSkipLast : .premultipliedLast)
    let pixels = isOpaque ? withFullAlpha(bytes) : dividedByAlpha(bytes)
    return Rgba(pixels: pixels, height: image.height, width: image.width)
}

private func drawn(_ image: CGImage, _ space: CGColorSpace, channels: Int, alpha: CGImageAlphaInfo) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: image.height * image.width * channels)
    let isDrawn = bytes.withUnsafeMutableBytes { buffer -> Bool in
        guard
            let context = CGContext(
                data: buffer.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: image.width * channels, space: space, bitmapInfo: alpha.rawValue)
        else {
            return false
        }
        context.setBlendMode(.copy)
        context.interpolationQuality = .none
        context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
        return true
    }
    if !isDrawn {
        throw ClassifierError.message("images of this color space are not supported; convert the image to sRGB")
    }
    return bytes
}

// A gray bitmap has no alpha, so transparent gray images are on black here.
private func withGrayChannels(_ gray: [UInt8], _ image: CGImage) -> Rgba {
    return Rgba(pixels: gray.flatMap { level in [level, level, level, 255] }, height: image.height, width: image.width)
}

private func withFullAlpha(_ bytes: [UInt8]) -> [UInt8] {
    var pixels = bytes
    for i in stride(from: 3, to: pixels.count, by: 4) {
        pixels[i] = 255
    }
    return pixels
}

// Off by a few levels where alpha is small: iOS has transparent images multiplied by alpha only.
private func dividedByAlpha(_ bytes: [UInt8]) -> [UInt8] {
    var pixels = bytes
    for i in stride(from: 0, to: pixels.count, by: 4) where pixels[i + 3] > 0 {
        let alpha = Int(pixels[i + 3])
        for c in 0..<3 {
            pixels[i + c] = UInt8(min(255, (Int(pixels[i + c]) * 255 + alpha / 2) / alpha))
        }
    }
    return pixels
}
