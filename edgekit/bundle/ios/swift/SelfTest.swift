// The self-test of a bundle: its golden vectors, stage by stage, from JPEG to labels.

import Foundation

struct Stage {
    let name: String, passed: Bool, text: String
}

private struct VectorResult {
    let name: String
    let fileEqual: Bool
    let decodedEqual: Bool
    let differentBytes: Int?  // nil: not judged, because the image decodes differently here
    let difference: Float
    let labelsEqual: Bool
}

// folder: where the files of the bundle lie; report: called with each finished stage.
// Returns whether all stages passed. A crop whose image decodes differently here is judged from the golden one on.
func selfTest(_ name: String, _ classifier: Classifier, _ folder: URL, _ report: (Stage) -> Void) throws -> Bool {
    let read = { (file: String) in try Data(contentsOf: folder.appendingPathComponent(file)) }
    let golden = try jsonObject(read("\(name).golden.json"))
    let input: [String: Any] = try value(golden, "input")
    let crops = [UInt8](try read(value(input, "file")))
    let tolerances: [String: Any] = try value(golden, "tolerance")
    let other: Double = try value(tolerances, "other")  // the .ort has kernels of its own
    let tolerance = Float(other)
    let vectors: [[String: Any]] = try value(golden, "vectors")
    let results = try vectors.map { vector in try testVector(vector, classifier, crops, tolerance, read) }
    let stages = [
        decodingStage(results), preprocessingStage(results), networkStage(results, tolerance), labelStage(results),
    ]
    stages.forEach(report)
    return stages.allSatisfy { stage in stage.passed }
}

private func testVector(
    _ vector: [String: Any], _ classifier: Classifier, _ crops: [UInt8], _ tolerance: Float,
    _ read: (String) throws -> Data
) throws -> VectorResult {
    let spec = classifier.preprocessing
    let offset: Int = try value(vector, "offset")
    let crop = [UInt8](crops[offset..<offset + filledSize(spec)])
    let file: [String: Any] = try value(vector, "jpeg")
    let jpeg = try read(value(file, "file"))
    let image = try decodeImage(jpeg)
    let pixels = pixelsFromRgba(image.pixels, spec)
    let decoded: [String: Any] = try value(vector, "decoded")
    let width: Int = try value(decoded, "width")
    let height: Int = try value(decoded, "height")
    let digest: String = try value(decoded, "sha256")
    let decodedEqual = image.width == width && image.height == height && sha256(Data(pixels)) == digest
    let ownCrop = decodedEqual ? try preprocess(pixels, image.height, image.width, spec) : crop
    let logits = try classifier.logits(crop)
    let ownLogits = decodedEqual ? try classifier.logits(ownCrop) : logits
    let expected = try floats(value(vector, "logits"))
    let top: [[String: Any]] = try value(vector, "top")
    let own = rankedScores(ownLogits, classifier.scoring).prefix(top.count)
    let jpegDigest: String = try value(file, "sha256")
    let cropDigest: String = try value(vector, "pixels_sha256")
    return VectorResult(
        name: try value(vector, "image"),
        fileEqual: sha256(jpeg) == jpegDigest && sha256(Data(crop)) == cropDigest,
        decodedEqual: decodedEqual,
        differentBytes: decodedEqual ? ownCrop.indices.filter { i in ownCrop[i] != crop[i] }.count : nil,
        difference: largestDifference(logits, expected),
        labelsEqual: try own.indices.allSatisfy { rank in
            try mayHaveRank(expected, own[rank].index, top[rank], tolerance)
        }
    )
}

// Whether the class may have the rank of `golden`: it is that class, or the tolerance cannot tell their logits apart.
private func mayHaveRank(
    _ expected: [Float], _ index: Int, _ golden: [String: Any], _ tolerance: Float
) throws -> Bool {
    let goldenIndex: Int = try value(golden, "index")
    return abs(expected[index] - expected[goldenIndex]) <= 2 * tolerance
}

private func decodingStage(_ results: [VectorResult]) -> Stage {
    let damaged = results.filter { result in !result.fileEqual }
    if !damaged.isEmpty {
        return Stage(name: "decoding", passed: false, text: "files of \(names(damaged)) are damaged")
    }
    let different = results.filter { result in !result.decodedEqual }
    let text = "\(results.count - different.count) of \(results.count) images decoded byte for byte"
    return Stage(name: "decoding", passed: different.isEmpty, text: withNames(text, different))
}

private func preprocessingStage(_ results: [VectorResult]) -> Stage {
    let judged = results.filter { result in result.differentBytes != nil }
    let different = judged.filter { result in result.differentBytes != 0 }
    let text = "\(judged.count - different.count) of \(judged.count) crops equal byte for byte"
    let skipped = results.count - judged.count
    let note = skipped > 0 ? " (\(skipped) not judged, because they decode differently)" : ""
    return Stage(name: "preprocessing", passed: different.isEmpty, text: withNames(text, different) + note)
}

private func networkStage(_ results: [VectorResult], _ tolerance: Float) -> Stage {
    let different = results.filter { result in !(result.difference <= tolerance) }
    let largest = results.reduce(Float(0)) { most, result in larger(most, result.difference) }
    let text = "\(results.count - different.count) of \(results.count) crops within the tolerance of the logits"
    let figures = "largest difference \(largest), tolerance \(tolerance)"
    return Stage(name: "network", passed: different.isEmpty, text: "\(withNames(text, different)); \(figures)")
}

private func labelStage(_ results: [VectorResult]) -> Stage {
    let different = results.filter { result in !result.labelsEqual }
    let text = "\(results.count - different.count) of \(results.count) images with the same labels in the same order"
    return Stage(name: "labels", passed: different.isEmpty, text: withNames(text, different))
}

private func largestDifference(_ logits: [Float], _ expected: [Float]) -> Float {
    if logits.count != expected.count {
        return Float.infinity
    }
    return logits.indices.reduce(Float(0)) { largest, i in larger(largest, abs(logits[i] - expected[i])) }
}

// The larger number; NaN if one of them is NaN, which Swift's max is not.
private func larger(_ a: Float, _ b: Float) -> Float {
    return a.isNaN || b.isNaN ? Float.nan : max(a, b)
}

private func withNames(_ text: String, _ different: [VectorResult]) -> String {
    return different.isEmpty ? text : "\(text); different: \(names(different))"
}

private func names(_ results: [VectorResult]) -> String {
    return results.map { result in result.name }.joined(separator: ", ")
}

private func filledSize(_ spec: PreprocessSpec) -> Int {
    return spec.crop[0] * spec.crop[1] * (spec.color == "L" ? 1 : 3)
}

private func floats(_ values: [Double]) -> [Float] {
    return values.map { value in Float(value) }
}
