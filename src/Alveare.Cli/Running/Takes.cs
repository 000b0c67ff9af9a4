using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json.Nodes;
using Alveare.Cli.Output;
using Alveare.Model.Faults;
using Alveare.Model.Resources;

namespace Alveare.Cli.Running;

/// <summary>Makes options and arguments, and bodies from their values.</summary>
public static class Takes
{
    public static Option<string?> Text(string name, string description, string helpName) => new(name) { Description = description, HelpName = helpName };

    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    public static Option<int?> Number(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result =>
        {
            if (int.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
                return number;
            result.AddError($"{name} is '{result.Tokens[0].Value}', expected a whole number of at most {int.MaxValue}.");
            return null;
        },
    };

    /// <summary>May be given several times.</summary>
    public static Option<string[]> Texts(string name, string description, string helpName) =>
        new(name) { Description = description, HelpName = helpName, DefaultValueFactory = _ => [] };

    /// <summary>One of a few words.</summary>
    public static Option<string?> Choice(string name, string description, params string[] words)
    {
        var option = Text(name, $"{description}: {string.Join(", ", words)}", "WORD");
        option.CompletionSources.Add(words);
        option.Validators.Add(result => RequireOneOf(name, words, result));
        return option;
    }

    /// <summary>An argument that is one of a few words.</summary>
    public static Argument<string> NameAmong(string name, string description, params string[] words)
    {
        var argument = Name(name, description);
        argument.CompletionSources.Add(words);
        argument.Validators.Add(result => RequireOneOf(name, words, result));
        return argument;
    }

    private static void RequireOneOf(string name, string[] words, SymbolResult result)
    {
        if (result.Tokens is [{ Value: var given }, ..] && !words.Contains(given))
            result.AddError($"{name} is '{given}', expected {Alternatives.Of(words)}.");
    }

    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            if (Amounts.TryParseSize(result.Tokens[0].Value, out var bytes))
                return bytes;
            result.AddError($"{name} is '{result.Tokens[0].Value}', expected a size with its unit, such as 512M or 2G.");
            return null;
        },
    };

    /// <summary>A size for every second, where 0 needs no unit.</summary>
    public static Option<long?> Rate(string name, string description)
    {
        var option = SizeOrZero(name, description);
        option.HelpName = "SIZE/S";
        return option;
    }

    public static Option<long?> SizeOrZero(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            if (result.Tokens[0].Value == "0")
                return 0;
            if (Amounts.TryParseSize(result.Tokens[0].Value, out var bytes))
                return bytes;
            result.AddError($"{name} is '{result.Tokens[0].Value}', expected a size with its unit, such as 512M or 2G, or 0.");
            return null;
        },
    };

    /// <summary>The member of a body for a time that was given in seconds.</summary>
    public static string? Seconds(int? given) => given is { } seconds ? TimeSpan.FromSeconds(seconds).ToString("c", CultureInfo.InvariantCulture) : null;

    /// <summary>Shares as a number or as one of the usual words.</summary>
    public static Option<int?> Shares(string name, string description, int normal)
    {
        var option = new Option<int?>(name)
        {
            Description = $"{description}: low, normal ({normal}), high or a number",
            HelpName = "SHARES",
            CustomParser = result =>
            {
                switch (result.Tokens[0].Value)
                {
                    case "low":
                        return ShareScale.Of(ShareLevel.Low, normal);
                    case "normal":
                        // The server's word for it.
                        return 0;
                    case "high":
                        return ShareScale.Of(ShareLevel.High, normal);
                    case var text when int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number):
                        return number;
                    case var text:
                        result.AddError($"{name} is '{text}', expected low, normal, high or a whole number of at most {int.MaxValue}.");
                        return null;
                }
            },
        };
        option.CompletionSources.Add("low", "normal", "high");
        return option;
    }

    /// <summary>Shares as a number, or as a word whose number the server makes of the object's size; see <see cref="SharesMember"/>.</summary>
    public static Option<string?> SharesBySize(string name, string description)
    {
        var option = Text(name, description, "SHARES");
        option.CompletionSources.Add("low", "normal", "high");
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var given }, ..] && given is not ("low" or "normal" or "high") && !int.TryParse(given, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                result.AddError($"{name} is '{given}', expected low, normal, high or a whole number.");
        });
        return option;
    }

    /// <summary>The member of a body for shares that were given as a number or a word.</summary>
    public static (string Name, object? Value) SharesMember(string resource, string? given) =>
        int.TryParse(given, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? ($"{resource}Shares", number) : ($"{resource}ShareLevel", given);

    /// <summary>May be given several times.</summary>
    public static Option<long[]> Sizes(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            var sizes = new List<long>();
            foreach (var token in result.Tokens)
            {
                if (Amounts.TryParseSize(token.Value, out var bytes))
                    sizes.Add(bytes);
                else
                    result.AddError($"{name} is '{token.Value}', expected a size with its unit, such as 512M or 2G.");
            }

            return [.. sizes];
        },
    };

    public static Argument<string> Name(string name, string description) => new(name) { Description = description };

    /// <summary>The name of an object that exists, completed by asking the center.</summary>
    /// <param name="kind">Such as <c>vm</c> or <c>template</c>, or several with commas between them.</param>
    /// <param name="shown">What stands for it in the help.</param>
    public static Argument<string> Existing(CliCommands commands, string kind, string? shown = null)
    {
        var argument = Name(shown ?? kind.ToUpperInvariant(), $"Name, id or inventory path of the {Alternatives.Of(kind.Split(','))}");
        argument.CompletionSources.Add(NameCompletion.Of(commands, kind));
        // Or the help would show what there is to complete.
        argument.HelpName = argument.Name;
        return argument;
    }

    public static Option<string?> Existing(CliCommands commands, string option, string kind, string description)
    {
        var made = Text(option, description, kind.ToUpperInvariant().Replace(',', '|'));
        made.CompletionSources.Add(NameCompletion.Of(commands, kind));
        return made;
    }

    /// <summary>A JSON object of what is given; nulls are left to the server's defaults.</summary>
    public static JsonObject Body(params (string Name, object? Value)[] members)
    {
        var body = new JsonObject();
        foreach (var (name, value) in members)
        {
            if (value is not null)
                body[name] = Node(value);
        }

        return body;
    }

    private static JsonNode? Node(object value) => value switch
    {
        string text => JsonValue.Create(text),
        int number => JsonValue.Create(number),
        long number => JsonValue.Create(number),
        bool flag => JsonValue.Create(flag),
        JsonNode node => node,
        string[] texts => new JsonArray([.. texts.Select(t => (JsonNode?)JsonValue.Create(t))]),
        long[] numbers => new JsonArray([.. numbers.Select(n => (JsonNode?)JsonValue.Create(n))]),
        _ => throw new ArgumentException($"A {value.GetType().Name} is no part of a body."),
    };

    /// <summary>Null for an empty list, which then is not sent.</summary>
    public static T[]? OrNull<T>(this T[]? items) => items is { Length: > 0 } ? items : null;
}
