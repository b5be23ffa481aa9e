"""Types of columns, as Feast names them."""

Int64, Float64 = "Int64", "Float64"
