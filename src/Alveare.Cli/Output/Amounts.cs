using System.Globalization;

namespace Alveare.Cli.Output;

/// <summary>Sizes, rates, ages and times as people write and read them.</summary>
public static class Amounts
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Reads sizes such as <c>512M</c>, <c>2G</c>, <c>1.5T</c>; units are binary, and <c>MiB</c> or <c>MB</c> is the same as <c>M</c>.</summary>
    /// <returns>False for anything else, also for a number without a unit: 512 what?</returns>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var unit = text[digits..].ToUpperInvariant() switch
        {
            "K" or "KB" or "KIB" => 1,
            "M" or "MB" or "MIB" => 2,
            "G" or "GB" or "GIB" => 3,
            "T" or "TB" or "TIB" => 4,
            _ => 0,
        };
        if (unit == 0 || !decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            return false;
        // Compared before it is multiplied: a product that no decimal holds throws.
        var size = 1L << (10 * unit);
        if (number > (decimal)long.MaxValue / size || number * size != decimal.Truncate(number * size))
            return false;
        bytes = (long)(number * size);
        return true;
    }

    public static string Size(double bytes)
    {
        var unit = 0;
        while (Math.Abs(bytes) >= 1024 && unit < Units.Length - 1)
            (bytes, unit) = (bytes / 1024, unit + 1);
        return string.Create(CultureInfo.InvariantCulture, $"{bytes:0.#} {Units[unit]}");
    }

    public static string Rate(double bytesPerSecond) => $"{Size(bytesPerSecond)}/s";

    public static string Percent(double percent) => string.Create(CultureInfo.InvariantCulture, $"{percent:0.#} %");

    /// <summary>The two largest units of a duration, such as <c>3 h 5 min</c>; milliseconds below a second.</summary>
    public static string Duration(TimeSpan duration) => duration switch
    {
        { TotalSeconds: < 1 } => $"{duration.TotalMilliseconds:0} ms",
        { TotalSeconds: < 10 } => string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds:0.0} s"),
        { TotalMinutes: < 1 } => $"{duration.Seconds} s",
        { TotalHours: < 1 } => $"{duration.Minutes} min {duration.Seconds} s",
        { TotalDays: < 1 } => $"{duration.Hours} h {duration.Minutes} min",
        _ => $"{duration.Days} d {duration.Hours} h",
    };

    public static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
