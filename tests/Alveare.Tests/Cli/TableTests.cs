using System.Text.Json;
using Alveare.Cli.Output;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Cli;

public sealed class TableTests
{
    private static readonly Column<(string Name, int Size)>[] Columns = [new("NAME", r => r.Name), new("SIZE", r => r.Size.ToString(), IsNumber: true)];

    [Fact]
    public void ColumnsAreAlignedAndNumbersStandAtTheRight() => Assert.Equal(
        "NAME   SIZE\nweb01     5\nx      1234\n",
        Table.Format([("web01", 5), ("x", 1234)], Columns));

    [Fact]
    public void WideCharactersTakeTwoCells() => Assert.Equal(
        "NAME  SIZE\n機械     1\nabcd     2\n",
        Table.Format([("機械", 1), ("abcd", 2)], Columns));

    [Fact]
    public void NoCellMovesTheCursorOrBeginsALine() => Gen.String.Sample(text =>
    {
        var table = Table.Format([(text, 1)], Columns);
        Assert.Equal(2, table.Count(c => c == '\n'));
        Assert.DoesNotContain(table, c => char.IsControl(c) && c != '\n');
    });

    [Fact]
    public void ARecordIsShownWithSizesInHumanUnits()
    {
        using var record = JsonDocument.Parse("""{"name":"web01","memory":536870912,"tags":["a","b"],"disks":[{"file":"d.qcow2","capacity":1073741824}]}""");
        Assert.Equal("name: web01\nmemory: 512 MiB\ntags: a, b\ndisks:\n  - file: d.qcow2\n    capacity: 1 GiB\n", RecordView.Format(record.RootElement));
    }

    [Fact]
    public void WhatARecordIsPromisedAndHeldToHasItsUnits()
    {
        using var record = JsonDocument.Parse("""
            {"controls":{"cpu":{"reservation":500,"limit":3000,"shares":4000},"memory":{"reservation":0,"limit":3221225472},"disk":{"iopsLimit":500,"bandwidthLimit":20971520},
            "network":{"outLimit":1048576}}}
            """);
        Assert.Equal(
            """
            controls:
              cpu:
                reservation: 500 MHz
                limit: 3000 MHz
                shares: 4000
              memory:
                reservation: 0 B
                limit: 3 GiB
              disk:
                iopsLimit: 500
                bandwidthLimit: 20 MiB/s
              network:
                outLimit: 1 MiB/s

            """,
            RecordView.Format(record.RootElement));
    }
}
