#include "ops/inference.h"

#include <cmath>
#include <optional>

#include "params/params.h"

namespace tilegrad::ops {
namespace {

using Kind = ProgramSlot::Kind;

// A program being rewritten: who reads and writes what.
class Rewrite {
 public:
  explicit Rewrite(Program& program) : p(program) { look(); }

  // Computes items that read nothing but frozen memory now, once; `except` waits for a later pass.
  void fold_constants(const KernelSet* KernelTable::* except) {
    for (size_t i = 0; i < p.items.size();) {
      if (p.items[i].entry != except && depends_on_frozen_alone(p.items[i])) {
        compute(p.items[i]);
        remove(i);
      } else {
        ++i;
      }
    }
  }

  // y = batch_norm(product(x, w) + b) becomes y = product(x, w') + b'.
  void fold_batch_norm() {
    for (size_t i = 0; i < p.items.size();) {
      if (p.items[i].entry == kernels::batch_norm_eval.entry && fold_batch_norm(i)) {
        remove(i);
      } else {
        ++i;
      }
    }
  }

  // y = relu(product(x, w) + b) becomes one product with an activation.
  void fuse_activations() {
    for (size_t i = 0; i < p.items.size();) {
      if (fuse_activation(i)) {
        remove(i);
      } else {
        ++i;
      }
    }
  }

 private:
  ProgramOperand& operand(const ProgramItem& item, int k) {
    return p.operands[static_cast<size_t>(item.first_operand + k)];
  }
  template <typename P>
  P& params(const ProgramItem& item) {
    return *reinterpret_cast<P*>(p.params.data() + item.params);
  }
  ProgramSlot& slot(const ProgramOperand& o) { return p.slots[static_cast<size_t>(o.slot)]; }
  static bool is(const ProgramItem& item, const KernelSet* KernelTable::* entry) { return item.entry == entry; }

  void look() {
    writers_.assign(p.slots.size(), {});
    readers_.assign(p.slots.size(), {});
    for (size_t i = 0; i < p.items.size(); ++i) {
      for (int k = 0; k < p.items[i].operands; ++k) {
        const ProgramOperand& o = operand(p.items[i], k);
        if (o.slot < 0) continue;
        if (o.access != Access::read) writers_[static_cast<size_t>(o.slot)].push_back(i);
        if (o.access != Access::write) readers_[static_cast<size_t>(o.slot)].push_back(i);
      }
    }
  }

  void remove(size_t i) {
    p.items.erase(p.items.begin() + static_cast<std::ptrdiff_t>(i));
    look();
  }

  bool is_frozen(const ProgramOperand& o) {
    if (o.slot < 0) return true;
    const ProgramSlot& s = slot(o);
    return (s.kind == Kind::outside || s.kind == Kind::constant) && writers_[static_cast<size_t>(o.slot)].empty();
  }

  bool depends_on_frozen_alone(const ProgramItem& item) {
    if (!item.entry) return false;
    for (int k = 0; k < item.operands; ++k) {
      const ProgramOperand& o = operand(item, k);
      if (o.slot < 0) continue;
      const bool own = o.access == Access::write && slot(o).kind == Kind::temporary && slot(o).initial.empty() &&
                       writers_[static_cast<size_t>(o.slot)].size() == 1;
      if (!own && !(o.access == Access::read && is_frozen(o))) return false;
    }
    return true;
  }

  char* address(const ProgramOperand& o) {
    ProgramSlot& s = slot(o);
    return (s.kind == Kind::constant ? s.initial.data() : static_cast<char*>(s.kept->data())) + o.offset;
  }

  void compute(const ProgramItem& item) {
    std::vector<void*> data;
    std::vector<int64_t> numel;
    for (int k = 0; k < item.operands; ++k) {
      const ProgramOperand& o = operand(item, k);
      numel.push_back(o.numel);
      if (o.slot < 0) {
        data.push_back(nullptr);
        continue;
      }
      if (o.access == Access::write) {
        slot(o).kept = StorageRef(Storage::allocate(slot(o).bytes, {}));
        slot(o).kind = Kind::outside;
      }
      data.push_back(address(o));
    }
    const size_t bytes = item.workspace < 0 ? 0 : p.slots[static_cast<size_t>(item.workspace)].bytes;
    const StorageRef workspace = bytes ? StorageRef(Storage::allocate(bytes, {})) : StorageRef();
    const Kernel kernel = (kernel_table({}).*item.entry)->by_dtype[static_cast<int>(item.dtype)];
    kernel(Team{}, {p.params.data() + item.params,
                    {data.data(), numel.data(), item.operands},
                    {workspace ? workspace->data() : nullptr}});
  }

  // New memory that the program keeps.
  ProgramOperand keep(int64_t numel, DType dtype) {
    ProgramSlot& made = p.slots.emplace_back();
    made.kind = Kind::outside;
    made.bytes = static_cast<size_t>(numel) * item_size(dtype);
    made.kept = StorageRef(Storage::allocate(made.bytes, {}));
    writers_.emplace_back();
    readers_.emplace_back();
    return {static_cast<int>(p.slots.size()) - 1, Access::read, 0, numel};
  }

  // The item whose result nobody but `reader` uses, if this operand is the whole of one.
  std::optional<size_t> only_maker(const ProgramOperand& o, size_t reader) {
    if (o.slot < 0 || slot(o).kind != Kind::temporary || !slot(o).initial.empty()) return {};
    const auto& writers = writers_[static_cast<size_t>(o.slot)];
    const auto& readers = readers_[static_cast<size_t>(o.slot)];
    if (writers.size() != 1 || readers.size() != 1 || readers[0] != reader || writers[0] >= reader) return {};
    return writers[0];
  }

  // The activation of a product, wherever it is kept; null for other kernels.
  Activation* activation_of(const ProgramItem& item) {
    if (is(item, kernels::conv2d_forward.entry)) return &params<Conv2d>(item).activation;
    if (is(item, kernels::winograd_forward.entry)) return &params<Winograd>(item).activation;
    if (is(item, kernels::gemm.entry)) return &params<Gemm>(item).activation;
    return nullptr;
  }

  // The operand that holds a product's weights as [..., K], row by row; with winograd, those before they are transformed.
  ProgramOperand* plain_weights(const ProgramItem& item, size_t position, int64_t K) {
    ProgramOperand* weights = &operand(item, 1);
    if (is(item, kernels::winograd_forward.entry)) {
      const std::optional<size_t> transform = only_maker(*weights, position);
      if (!transform || params<Winograd>(item).groups * params<Winograd>(item).K != K) return nullptr;
      weights = &operand(p.items[*transform], 0);
    } else if (is(item, kernels::conv2d_forward.entry)) {
      if (params<Conv2d>(item).K != K) return nullptr;
    } else {
      const Gemm& g = params<Gemm>(item);
      if (g.N != K || g.batch.numel != 1 || g.b_col_stride != 1 || g.b_row_stride != K) return nullptr;
    }
    return is_frozen(*weights) && weights->numel % K == 0 ? weights : nullptr;
  }

  bool fold_batch_norm(size_t i) {
    const ProgramItem norm = p.items[i];
    const BatchNorm& options = params<BatchNorm>(norm);
    const std::optional<size_t> found = only_maker(operand(norm, 0), i);
    if (!found) return false;
    ProgramItem& product = p.items[*found];
    Activation* const activation = activation_of(product);
    if (!activation || *activation != Activation::none || product.dtype != norm.dtype) return false;
    for (int k = 1; k <= 4; ++k) {
      if (!is_frozen(operand(norm, k))) return false;
    }
    const ProgramOperand inverse = operand(norm, 6);
    if (inverse.slot >= 0 && !readers_[static_cast<size_t>(inverse.slot)].empty()) return false;
    if (!is_frozen(operand(product, 2))) return false;
    if (!plain_weights(product, *found, options.C)) return false;
    if (norm.dtype == DType::float32) {
      fold<float>(product, *found, norm);
    } else {
      fold<double>(product, *found, norm);
    }
    *activation = options.activation;
    operand(product, 3) = operand(norm, 5);
    return true;
  }

  template <typename T>
  void fold(ProgramItem& product, size_t position, const ProgramItem& norm) {
    const BatchNorm& options = params<BatchNorm>(norm);
    const int64_t K = options.C;
    const int64_t weights = plain_weights(product, position, K)->numel;
    const ProgramOperand new_weights = keep(weights, norm.dtype), new_bias = keep(K, norm.dtype);
    ProgramOperand* const old_weights = plain_weights(product, position, K);
    const ProgramOperand old_bias = operand(product, 2);
    const auto values = [&](int k) {
      const ProgramOperand& o = operand(norm, k);
      return o.slot < 0 ? nullptr : reinterpret_cast<const T*>(address(o));
    };
    const T *gamma = values(1), *beta = values(2), *mean = values(3), *variance = values(4);
    const T* const bias = old_bias.slot < 0 ? nullptr : reinterpret_cast<const T*>(address(old_bias));
    const int64_t bias_step = is(product, kernels::gemm.entry) ? params<Gemm>(product).bias_stride : 1;
    T* const folded_bias = reinterpret_cast<T*>(address(new_bias));
    const T* const from = reinterpret_cast<const T*>(address(*old_weights));
    T* const to = reinterpret_cast<T*>(address(new_weights));
    std::vector<double> scale(static_cast<size_t>(K));
    for (int64_t k = 0; k < K; ++k) {
      const double factor =
          (gamma ? static_cast<double>(gamma[k]) : 1.0) / std::sqrt(static_cast<double>(variance[k]) + options.epsilon);
      const double before = bias ? static_cast<double>(bias[k * bias_step]) : 0.0;
      scale[static_cast<size_t>(k)] = factor;
      folded_bias[k] = static_cast<T>((before - static_cast<double>(mean[k])) * factor +
                                      (beta ? static_cast<double>(beta[k]) : 0.0));
    }
    for (int64_t i = 0; i < weights; ++i) {
      to[i] = static_cast<T>(static_cast<double>(from[i]) * scale[static_cast<size_t>(i % K)]);
    }
    *old_weights = new_weights;
    operand(product, 2) = new_bias;
    if (is(product, kernels::gemm.entry)) params<Gemm>(product).bias_stride = 1;
    look();
  }

  bool fuse_activation(size_t i) {
    const ProgramItem& item = p.items[i];
    Activation wanted = Activation::none;
    if (is(item, kernels::relu.entry)) wanted = Activation::relu;
    if (is(item, kernels::sigmoid.entry)) wanted = Activation::sigmoid;
    if (is(item, kernels::tanh.entry)) wanted = Activation::tanh;
    if (is(item, kernels::gelu.entry)) wanted = Activation::gelu;
    if (wanted == Activation::none) return false;
    const ProgramOperand x = operand(item, 0), y = operand(item, 1);
    const std::optional<size_t> maker = only_maker(x, i);
    const LoopNest<2>& nest = params<LoopNest<2>>(item);
    const bool flat = nest.ndim == 0 || (nest.ndim == 1 && nest.stride[0][0] == 1 && nest.stride[1][0] == 1);
    if (!maker || !flat || x.slot == y.slot) return false;
    ProgramItem& product = p.items[*maker];
    const int result = is(product, kernels::batch_norm_eval.entry) ? 5 : 3;
    Activation* activation = activation_of(product);
    if (result == 5 && wanted == Activation::relu) activation = &params<BatchNorm>(product).activation;
    if (!activation || *activation != Activation::none || product.dtype != item.dtype) return false;
    ProgramOperand& written = operand(product, result);
    if (written.slot != x.slot || written.offset != x.offset || written.numel != x.numel) return false;
    *activation = wanted;
    written = y;
    return true;
  }

  Program& p;
  std::vector<std::vector<size_t>> writers_, readers_;  // items, by slot
};

}  // namespace

void prepare_for_inference(Program& program) {
  Rewrite rewrite(program);
  if (program.device().type == DeviceType::cuda) {  // constants are folded with the CPU's kernels
    rewrite.fuse_activations();
    program.plan();
    return;
  }
  rewrite.fold_constants(kernels::winograd_weights.entry);  // their weights may be folded into first
  rewrite.fold_batch_norm();
  rewrite.fuse_activations();
  rewrite.fold_constants(nullptr);
  program.plan();
}

}  // namespace tilegrad::ops
