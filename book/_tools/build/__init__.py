"""Execute the chapters, render the pages, print them."""
