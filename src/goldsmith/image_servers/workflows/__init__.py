"""The workflows of image servers, one a file, named for what they do."""
