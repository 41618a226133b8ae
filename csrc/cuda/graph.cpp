// CUDA graphs: launches recorded once, made again as one.
#include "core/cuda.h"
#include "cuda/runtime.h"

namespace tilegrad::cuda {

struct Graph::Parts {
  int device = 0;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::pair<void*, size_t>> scratch;  // that its launches use
  ~Parts() {
    const OnDevice on(device);
    if (executable) cudaGraphExecDestroy(executable);
    for (const auto& [data, bytes] : scratch) cuda::release(data, bytes);
  }
};

std::unique_ptr<Graph> Graph::record(const std::function<void()>& launches) {
  std::unique_ptr<Graph> made(new Graph);
  made->parts_ = std::make_unique<Parts>();
  Stream stream = runtime().stream;
  made->parts_->device = stream.device;
  TILEGRAD_CUDA_CALL(cudaStreamCreateWithFlags(&stream.handle, cudaStreamNonBlocking));
  cudaGraph_t graph = nullptr;
  cudaError_t status = cudaSuccess;
  std::exception_ptr error;
  {
    const StreamOverride override(stream, &made->parts_->scratch);
    status = cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeRelaxed);
    if (status == cudaSuccess) {
      try {
        launches();
      } catch (...) {
        error = std::current_exception();
      }
      status = cudaStreamEndCapture(stream.handle, &graph);
    }
  }
  if (!error && status == cudaSuccess) status = cudaGraphInstantiate(&made->parts_->executable, graph, 0);
  if (graph) cudaGraphDestroy(graph);
  cudaStreamDestroy(stream.handle);
  if (error) {
    cudaGetLastError();  // of a recording that was broken off: it is not the next launch's
    std::rethrow_exception(error);
  }
  TILEGRAD_CUDA_CALL(status);
  return made;
}

void Graph::launch() { TILEGRAD_CUDA_CALL(cudaGraphLaunch(parts_->executable, current_stream().handle)); }

Graph::~Graph() = default;

}  // namespace tilegrad::cuda
