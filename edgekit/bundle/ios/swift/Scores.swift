// From logits to the classes that are shown, in double precision, as edgekit.preprocess.scores computes them.

import Foundation

// What NAME.json states about the outputs. temperature: 1 if the model has none; thresholds: of a multi-label model.
struct Scoring {
    let labels: [String], isMultiLabel: Bool, temperature: Double, thresholds: [Double]?
}

struct Score {
    let index: Int, label: String, probability: Double, assigned: Bool
}

// The probability of each class.
func probabilities(_ logits: [Float], _ scoring: Scoring) -> [Double] {
    let values = logits.map { logit in Double(logit) }
    return scoring.isMultiLabel ? sigmoid(values) : softmax(values, scoring.temperature)
}

// All classes, most probable first; `assigned`: whether the image has the label.
func rankedScores(_ logits: [Float], _ scoring: Scoring) -> [Score] {
    let values = probabilities(logits, scoring)
    let order = values.indices.sorted { a, b in
        (-values[a], -logits[a], a) < (-values[b], -logits[b], b)
    }
    return order.enumerated().map { rank, index -> Score in
        let assigned = scoring.isMultiLabel ? values[index] > scoring.thresholds![index] : rank == 0
        return Score(index: index, label: scoring.labels[index], probability: values[index], assigned: assigned)
    }
}

private func softmax(_ values: [Double], _ temperature: Double) -> [Double] {
    let largest = values.max()!
    let exponentials = values.map { value in exp((value - largest) / temperature) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { exponential in exponential / sum }
}

private func sigmoid(_ values: [Double]) -> [Double] {
    return values.map { value -> Double in
        let exponential = exp(-abs(value))  // at most 1, so that it does not overflow
        return value < 0 ? exponential / (1 + exponential) : 1 / (1 + exponential)
    }
}
