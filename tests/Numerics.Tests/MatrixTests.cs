namespace Orchestrator.Numerics.Tests;

public sealed unsafe class MatrixTests
{
    [Fact]
    public void Every_row_starts_on_a_64_byte_boundary_for_every_width_past_a_cache_line()
    {
        for (var columns = 0; columns <= 70; columns++)
        {
            using var floats = new Matrix<float>(3, columns);
            using var doubles = new Matrix<double>(3, columns);
            Assert.True(floats.Stride >= columns && doubles.Stride >= columns);
            for (var row = 0; row < 3; row++)
            {
                Assert.Equal(0, (nint)(floats.Pointer + row * floats.Stride) % Matrix<float>.Alignment);
                Assert.Equal(0, (nint)(doubles.Pointer + row * doubles.Stride) % Matrix<double>.Alignment);
            }
        }
    }

    [Fact]
    public void Rows_go_in_and_come_out_unchanged()
    {
        var values = Enumerable.Range(0, 5 * 7).Select(i => (float)i).ToArray();
        using var matrix = Matrix<float>.FromRows(values, 5, 7);
        Assert.Equal(values, matrix.ToArray());
        Assert.Equal(values[2 * 7 + 3], matrix[2, 3]);
        matrix[2, 3] = -1;
        Assert.Equal(-1, matrix.Row(2)[3]);
    }

    [Fact]
    public void A_new_matrix_is_zero_and_clear_makes_it_zero_again()
    {
        using var matrix = new Matrix<double>(9, 9);
        Assert.All(matrix.ToArray(), value => Assert.Equal(0, value));
        matrix.Row(4).Fill(3);
        matrix.Clear();
        Assert.All(matrix.ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_clone_is_independent()
    {
        using var matrix = Matrix<double>.FromRows([1, 2, 3, 4], 2, 2);
        using var clone = matrix.Clone();
        matrix[0, 0] = 9;
        Assert.Equal([1, 2, 3, 4], clone.ToArray());
        using var floats = clone.Convert<float>();
        Assert.Equal([1f, 2f, 3f, 4f], floats.ToArray());
    }

    [Fact]
    public void Use_after_disposal_throws()
    {
        var matrix = new Matrix<float>(2, 2);
        matrix.Dispose();
        matrix.Dispose();
        Assert.Throws<ObjectDisposedException>(() => matrix.Row(0).Length);
        Assert.Throws<ObjectDisposedException>(() => matrix[0, 0]);
        Assert.Throws<ObjectDisposedException>(matrix.ToArray);
        Assert.Throws<ObjectDisposedException>(matrix.Clear);
        Assert.Throws<ObjectDisposedException>(() => (nint)matrix.Pointer);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, 2)]
    [InlineData(2, 0)]
    [InlineData(0, -1)]
    public void An_index_outside_is_refused(int row, int column)
    {
        using var matrix = new Matrix<float>(2, 2);
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix[row, column]);
    }

    [Fact]
    public void A_shape_that_does_not_match_is_refused()
    {
        using var matrix = new Matrix<float>(2, 2);
        using var other = new Matrix<float>(2, 3);
        Assert.Throws<ArgumentException>(() => matrix.CopyTo(other));
        Assert.Throws<ArgumentException>(() => Matrix<float>.FromRows([1, 2, 3], 2, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Matrix<float>(-1, 2));
        Assert.ThrowsAny<OverflowException>(() => new Matrix<float>(1, int.MaxValue));
    }
}
