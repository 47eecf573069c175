"""Images, masks and points become samples."""
