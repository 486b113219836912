"""The programs that start toolhone: where their files are, and how an entry gets in and out of one."""
