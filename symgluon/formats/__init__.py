"""MXNet's files and ONNX models: reading and writing."""
