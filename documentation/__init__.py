"""The reference pages of docs/, made from the code, and what the site needs beside them."""
