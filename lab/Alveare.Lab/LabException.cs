namespace Alveare.Lab;

/// <summary>Why the lab cannot go on, as a sentence for whoever started it.</summary>
public sealed class LabException(string message, Exception? inner = null) : Exception(message, inner);
