"""The persistent format: the messages of the log's entries, and the code that protoc makes of them."""
