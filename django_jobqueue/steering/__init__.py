"""Choose jobs and change them, from the admin and from a terminal."""
