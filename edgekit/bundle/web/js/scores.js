// From logits to the classes that are shown, in double precision, as edgekit.preprocess.scores computes them.

// The probability of each class.
export function probabilities(logits, description) {
  const values = Float64Array.from(logits);
  return description.task === "multi-label" ? sigmoid(values) : softmax(values, description.temperature ?? 1);
}

// All classes, most probable first; `assigned`: whether the image has the label.
export function rankedScores(logits, description) {
  const values = probabilities(logits, description);
  const order = Array.from(values.keys());
  order.sort((a, b) => values[b] - values[a] || logits[b] - logits[a] || a - b);
  return order.map((index, rank) => ({
    index,
    label: description.labels[index],
    probability: values[index],
    assigned: description.task === "multi-label" ? values[index] > description.thresholds[index] : rank === 0,
  }));
}

function softmax(values, temperature) {
  const largest = values.reduce((a, b) => Math.max(a, b));
  const exponentials = values.map((value) => Math.exp((value - largest) / temperature));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / sum);
}

function sigmoid(values) {
  return values.map((value) => {
    const exponential = Math.exp(-Math.abs(value)); // at most 1, so that it does not overflow
    return value < 0 ? exponential / (1 + exponential) : 1 / (1 + exponential);
  });
}
