"""What a story and a post are, what an editor may do with them, and how their texts are made safe; pure."""
