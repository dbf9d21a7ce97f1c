"""The workflows of app servers, one a file, named for what they do."""
