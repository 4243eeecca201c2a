// Images as they are to be seen: cameras store them as the sensor reads them, with an EXIF orientation.

package edgekit

// A decoded image: 4 bytes (red, green, blue, alpha) for each pixel in rows from the top, not multiplied by alpha.
class Rgba(val pixels: ByteArray, val height: Int, val width: Int)

// The upright image. orientation: value of the EXIF tag of that name, 1 to 8; others mean 1.
fun upright(image: Rgba, orientation: Int): Rgba {
    if (orientation !in 2..8) {
        return image
    }
    val turned = orientation >= 5
    val mirrorsRows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7
    val mirrorsColumns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8
    val height = if (turned) image.width else image.height
    val width = if (turned) image.height else image.width
    val pixels = ByteArray(image.pixels.size)
    for (y in 0 until height) {
        for (x in 0 until width) {
            val row = if (turned) x else y
            val column = if (turned) y else x
            val sourceRow = if (mirrorsRows) image.height - 1 - row else row
            val sourceColumn = if (mirrorsColumns) image.width - 1 - column else column
            val source = (sourceRow * image.width + sourceColumn) * 4
            image.pixels.copyInto(pixels, (y * width + x) * 4, source, source + 4)
        }
    }
    return Rgba(pixels, height, width)
}
