"""What runs a trained model: torch, or ONNX Runtime without torch."""
