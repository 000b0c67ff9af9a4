using Alveare.Core.Inventory;
using Alveare.Model.Machines;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class NamesTests
{
    // No theory: what is given to one cannot hold half a character.
    [Fact]
    public void ANameThatAHostReportsKeepsWhatItMay()
    {
        Assert.Equal("\U0001f41d web \U00020bb7 \ufffd", Names.Cleaned("\U0001f41d web \U00020bb7 \ufffd"));
        Assert.Equal("half _", Names.Cleaned("half \ud83d"));
        Assert.Equal("__!", Names.Cleaned("\udc1d\ud83d!"));
        Assert.Equal("a_b_c_d", Names.Cleaned("a/b\\c\td"));
        Assert.Equal("unnamed", Names.Cleaned(" .. "));
    }

    [Fact]
    public void OfALongNameNoHalfCharacterIsLeft() =>
        Assert.Equal(MachineLimits.MaxNameLength - 1, Names.Checked(Names.Cleaned(new string('a', MachineLimits.MaxNameLength - 1) + "\U0001f41d")).Length);

    [Fact]
    public void WhateverAHostReportsTheNameCanBeUsed() =>
        Gen.OneOf(Gen.String, Gen.String[0, 400]).Sample(reported => Names.Checked(Names.Cleaned(reported)));
}
