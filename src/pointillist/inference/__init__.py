"""Using a trained network: prediction, evaluation, files written."""
