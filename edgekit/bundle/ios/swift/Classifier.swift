// A model with its description (NAME.json): decoded images in, logits and labels out. Needs onnxruntime-objc.

import CryptoKit
import Foundation

#if canImport(OnnxRuntimeBindings)
    import OnnxRuntimeBindings  // by the Swift Package Manager
#else
    import onnxruntime_objc  // by CocoaPods
#endif

enum ClassifierError: Error {
    case message(String)
}

// folder: where the files of the bundle lie. It is not for use by several threads at a time.
final class Classifier {
    let preprocessing: PreprocessSpec
    let scoring: Scoring
    private let inputName: String
    private let inputShape: [NSNumber]
    private let outputName: String
    private let environment: ORTEnv
    private let session: ORTSession

    init(_ name: String, _ folder: URL) throws {
        let description = try jsonObject(Data(contentsOf: folder.appendingPathComponent("\(name).json")))
        let file: [String: Any] = try value(description, "ort")
        let model = folder.appendingPathComponent(try value(file, "file"))
        let expected: String = try value(file, "sha256")
        if sha256(try Data(contentsOf: model)) != expected {
            let what = "\(model.lastPathComponent) is not the file that \(name).json describes"
            throw ClassifierError.message("\(what); copy the bundle again")
        }
        preprocessing = try preprocessSpec(value(description, "preprocess"))
        scoring = try scoringOf(description)
        let input: [String: Any] = try value(description, "input")
        inputName = try value(input, "name")
        let shape: [Any] = try value(input, "shape")
        inputShape = [1] + shape.dropFirst().compactMap { extent in extent as? NSNumber }  // the first is the batch
        let output: [String: Any] = try value(description, "output")
        outputName = try value(output, "name")
        environment = try ORTEnv(loggingLevel: .warning)
        let options = try ORTSessionOptions()
        try options.addConfigEntry(withKey: "session.load_model_format", value: "ORT")
        session = try ORTSession(env: environment, modelPath: model.path, sessionOptions: options)
    }

    // The scores of an upright image: all classes, most probable first.
    func predict(_ image: Rgba) throws -> [Score] {
        let pixels = pixelsFromRgba(image.pixels, preprocessing)
        let crop = try preprocess(pixels, image.height, image.width, preprocessing)
        return rankedScores(try logits(crop), scoring)
    }

    // crop: result of `preprocess`.
    func logits(_ crop: [UInt8]) throws -> [Float] {
        let pixels = NSMutableData(bytes: crop, length: crop.count)
        let tensor = try ORTValue(tensorData: pixels, elementType: .uInt8, shape: inputShape)
        let outputs = try session.run(withInputs: [inputName: tensor], outputNames: [outputName], runOptions: nil)
        guard let output = outputs[outputName] else {
            throw ClassifierError.message("the model has no output \(outputName)")
        }
        let data = try output.tensorData() as Data
        return data.withUnsafeBytes { bytes in Array(bytes.bindMemory(to: Float.self)) }
    }
}

// From "preprocess" of NAME.json.
func preprocessSpec(_ values: [String: Any]) throws -> PreprocessSpec {
    let fill: [Int] = try value(values, "fill")
    return PreprocessSpec(
        color: try value(values, "color"),
        fit: try value(values, "fit"),
        resize: try (values["resize"] as? Int).map { edge in [edge] } ?? value(values, "resize"),
        pad: try value(values, "pad"),
        fill: fill.map { level in UInt8(level) },
        crop: try value(values, "crop"),
        offset: try value(values, "offset"),
        interpolation: try value(values, "interpolation"),
        resampler: try value(values, "resampler")
    )
}

// From all of NAME.json.
func scoringOf(_ description: [String: Any]) throws -> Scoring {
    let task: String = try value(description, "task")
    return Scoring(
        labels: try value(description, "labels"),
        isMultiLabel: task == "multi-label",
        temperature: description["temperature"] as? Double ?? 1,
        thresholds: description["thresholds"] as? [Double]
    )
}

func sha256(_ content: Data) -> String {
    return SHA256.hash(data: content).map { byte in String(format: "%02x", byte) }.joined()
}

func jsonObject(_ content: Data) throws -> [String: Any] {
    guard let object = try JSONSerialization.jsonObject(with: content) as? [String: Any] else {
        throw ClassifierError.message("not a JSON object")
    }
    return object
}

func value<Value>(_ object: [String: Any], _ name: String) throws -> Value {
    guard let value = object[name] as? Value else {
        throw ClassifierError.message("\(name) is missing, or not of the type \(Value.self)")
    }
    return value
}
