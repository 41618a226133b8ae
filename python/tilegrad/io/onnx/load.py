def load_onnx(): pass
