using System.Globalization;
using Orchestrator.TestKit.Models;

// A decoder-shaped model with random weights, and token sequences to calibrate it with: what tests/huge-model.sh compresses.
// usage: MakeDecoder FOLDER BLOCKS HIDDEN HEADS INTERMEDIATE VOCABULARY TOKENS SEQUENCES
if (args.Length != 8)
{
    Console.Error.WriteLine("usage: MakeDecoder FOLDER BLOCKS HIDDEN HEADS INTERMEDIATE VOCABULARY TOKENS SEQUENCES");
    return 2;
}

var numbers = args.Skip(1).Select(text => int.Parse(text, CultureInfo.InvariantCulture)).ToArray();
var shape = new DecoderShape { Blocks = numbers[0], Hidden = numbers[1], Heads = numbers[2], Intermediate = numbers[3], Vocabulary = numbers[4], Tokens = numbers[5] };
Directory.CreateDirectory(args[0]);
DecoderModel.Write(Path.Combine(args[0], "model.onnx"), shape);
TokenFile.Write(Path.Combine(args[0], "tokens.npy"), shape, numbers[6]);
Console.WriteLine($"{shape.Parameters} parameters, {new FileInfo(Path.Combine(args[0], "model.onnx.data")).Length} bytes of weights");
return 0;
