// Decoding on Android: the pixels that an image file contains, not converted by color profiles. Needs API level 26.

package edgekit

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import java.io.ByteArrayInputStream
import java.nio.ByteBuffer

// content: of an image file. Returns the upright image.
fun decodeImage(content: ByteArray): Rgba {
    val options = BitmapFactory.Options()
    options.inPremultiplied = false
    val decoded = BitmapFactory.decodeByteArray(content, 0, content.size, options)
        ?: throw IllegalArgumentException("not an image that Android can decode")
    val bitmap = inBytes(decoded)
    // Bitmap.getPixels would convert the colors to sRGB; this copies them as they are, red first.
    val buffer = ByteBuffer.allocate(bitmap.byteCount)
    bitmap.copyPixelsToBuffer(buffer)
    return upright(Rgba(buffer.array(), bitmap.height, bitmap.width), orientation(content))
}

// Images of 16 bits per channel are decoded into half-precision floats.
private fun inBytes(bitmap: Bitmap): Bitmap {
    if (bitmap.config == Bitmap.Config.ARGB_8888) {
        return bitmap
    }
    return bitmap.copy(Bitmap.Config.ARGB_8888, false)
}

private fun orientation(content: ByteArray): Int {
    val exif = ExifInterface(ByteArrayInputStream(content))
    return exif.getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
}
