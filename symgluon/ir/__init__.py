"""The intermediate representation: types, operators, graphs."""
