"""The chat backend beside Centrifugo, and its encodings beside plain rooms; scripts/chat-bench.sh."""
