"""Tool definitions and results in few tokens: signatures, levels, tables. Pure: text in, text out."""
