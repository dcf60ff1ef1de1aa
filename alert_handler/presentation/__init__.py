"""How facts become words, times, links and small pictures on the pages."""
