"""What is to be fired, and when: what the code declares and what the database says."""
