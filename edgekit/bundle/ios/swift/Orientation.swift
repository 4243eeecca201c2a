// Images as they are to be seen: cameras store them as the sensor reads them, with an EXIF orientation.

// A decoded image: 4 bytes (red, green, blue, alpha) for each pixel in rows from the top, not multiplied by alpha.
struct Rgba {
    let pixels: [UInt8], height: Int, width: Int
}

// The upright image. orientation: value of the EXIF tag of that name, 1 to 8; others mean 1.
func upright(_ image: Rgba, _ orientation: Int) -> Rgba {
    if !(2...8).contains(orientation) {
        return image
    }
    let turned = orientation >= 5
    let mirrorsRows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7
    let mirrorsColumns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8
    let height = turned ? image.width : image.height
    let width = turned ? image.height : image.width
    var pixels = [UInt8](repeating: 0, count: image.pixels.count)
    for y in 0..<height {
        for x in 0..<width {
            let row = turned ? x : y
            let column = turned ? y : x
            let sourceRow = mirrorsRows ? image.height - 1 - row : row
            let sourceColumn = mirrorsColumns ? image.width - 1 - column : column
            let source = (sourceRow * image.width + sourceColumn) * 4
            for c in 0..<4 {
                pixels[(y * width + x) * 4 + c] = image.pixels[source + c]
            }
        }
    }
    return Rgba(pixels: pixels, height: height, width: width)
}
