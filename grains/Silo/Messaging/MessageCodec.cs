using System.Buffers;
using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Orleans.Serialization;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Cloning;
using Orleans.Serialization.Codecs;
using Orleans.Serialization.Serializers;
using Orleans.Serialization.WireProtocol;

namespace Orchestrator.Silo.Messaging;

/// <summary>
/// How our messages travel. Records go as JSON, by Orleans' own codec; lists of them as one JSON array, whatever list they are in the
/// sender's memory (a list of the compiler's own making could not be read back). Messages never change, so within a silo they are handed
/// over as they are.
/// </summary>
internal sealed class MessageCodec(JsonCodec json) : IGeneralizedCodec, IGeneralizedCopier
{
    private static readonly ConcurrentDictionary<Type, Type?> s_items = new();

    /// <summary>The namespaces of all that is sent.</summary>
    private static readonly string[] s_ours = ["Orchestrator.Jobs", "Orchestrator.Grains"];

    public static bool IsMessage(Type type) =>
        !type.IsAbstract && !typeof(Exception).IsAssignableFrom(type) && !typeof(IEnumerable).IsAssignableFrom(type) && type.Namespace is { } space &&
        Array.Exists(s_ours, ours => space.StartsWith(ours, StringComparison.Ordinal));

    bool IGeneralizedCodec.IsSupportedType(Type type) => ItemOf(type) is not null;

    /// <summary>Copying is not needed for messages and for lists of them.</summary>
    bool IGeneralizedCopier.IsSupportedType(Type type) => IsMessage(type) || ItemOf(type) is not null;

    [return: NotNullIfNotNull(nameof(input))]
    public object? DeepCopy(object? input, CopyContext context) => input;

    public void WriteField<TBufferWriter>(ref Writer<TBufferWriter> writer, uint fieldIdDelta, [AllowNull] Type expectedType, [AllowNull] object? value)
        where TBufferWriter : IBufferWriter<byte> =>
        ((IFieldCodec)json).WriteField(ref writer, fieldIdDelta, expectedType, value is null ? null : ToArray(value));

    /// <summary>Never called: what is written says that the JSON codec reads it.</summary>
    public object? ReadValue<TInput>(ref Reader<TInput> reader, Field field) => ((IFieldCodec)json).ReadValue(ref reader, field);

    private static Array ToArray(object list)
    {
        var items = ((IEnumerable)list).Cast<object>().ToArray();
        var array = Array.CreateInstance(ItemOf(list.GetType())!, items.Length);
        Array.Copy(items, array, items.Length);
        return array;
    }

    /// <returns>The type of a list's items where they are messages and the list is none that Orleans knows itself.</returns>
    private static Type? ItemOf(Type type) => s_items.GetOrAdd(type, static list =>
    {
        if (list.IsAbstract || list.IsArray)
            return null;
        var item = list.GetInterfaces().FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))?.GenericTypeArguments[0];
        return item is not null && IsMessage(item) ? item : null;
    });
}
