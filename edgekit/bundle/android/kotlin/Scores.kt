// From logits to the classes that are shown, in double precision, as edgekit.preprocess.scores computes them.

package edgekit

import kotlin.math.abs
import kotlin.math.exp

// What NAME.json states about the outputs. temperature: 1 if the model has none; thresholds: of a multi-label model.
class Scoring(
    val labels: List<String>, val isMultiLabel: Boolean, val temperature: Double, val thresholds: DoubleArray?,
)

class Score(val index: Int, val label: String, val probability: Double, val assigned: Boolean)

// The probability of each class.
fun probabilities(logits: FloatArray, scoring: Scoring): DoubleArray {
    val values = DoubleArray(logits.size) { i -> logits[i].toDouble() }
    return if (scoring.isMultiLabel) sigmoid(values) else softmax(values, scoring.temperature)
}

// All classes, most probable first; `assigned`: whether the image has the label.
fun rankedScores(logits: FloatArray, scoring: Scoring): List<Score> {
    val values = probabilities(logits, scoring)
    val order = values.indices.sortedWith(compareBy({ -values[it] }, { -logits[it] }, { it }))
    return order.mapIndexed { rank, index ->
        val assigned = if (scoring.isMultiLabel) values[index] > scoring.thresholds!![index] else rank == 0
        Score(index, scoring.labels[index], values[index], assigned)
    }
}

private fun softmax(values: DoubleArray, temperature: Double): DoubleArray {
    val largest = values.max()
    val exponentials = DoubleArray(values.size) { i -> exp((values[i] - largest) / temperature) }
    val sum = exponentials.sum()
    return DoubleArray(values.size) { i -> exponentials[i] / sum }
}

private fun sigmoid(values: DoubleArray): DoubleArray {
    return DoubleArray(values.size) { i ->
        val exponential = exp(-abs(values[i])) // at most 1, so that it does not overflow
        if (values[i] < 0) exponential / (1 + exponential) else 1 / (1 + exponential)
    }
}
