"""A model as the backend of a Label Studio project: it asks, and gets the regions that a person then corrects."""
