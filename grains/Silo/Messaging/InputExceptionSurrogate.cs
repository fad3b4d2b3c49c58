using Orchestrator.Jobs;
using Orleans;

namespace Orchestrator.Silo.Messaging;

/// <summary>An <see cref="InputException"/> on its way between silos, with all that it tells the user.</summary>
[GenerateSerializer]
[Alias("Orchestrator.InputException")]
internal struct InputExceptionSurrogate
{
    [Id(0)]
    public string Code;

    [Id(1)]
    public string Subject;

    [Id(2)]
    public string Message;

    [Id(3)]
    public string Remedy;
}

[RegisterConverter]
internal sealed class InputExceptionConverter : IConverter<InputException, InputExceptionSurrogate>
{
    public InputException ConvertFromSurrogate(in InputExceptionSurrogate surrogate) => new(surrogate.Code, surrogate.Subject, surrogate.Message, surrogate.Remedy);

    public InputExceptionSurrogate ConvertToSurrogate(in InputException value) =>
        new() { Code = value.Code, Subject = value.Subject, Message = value.Message, Remedy = value.Remedy };
}
