"""What observed handshakes mean: the judge, the assertions, and the words for them."""
