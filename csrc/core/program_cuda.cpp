// A Program on a GPU: its launches are recorded into CUDA graphs over memory that the program keeps. A replay copies the
// inputs to their places, launches the graphs and copies the outputs out.
#include <algorithm>

#include "core/error.h"
#include "core/program.h"

namespace tilegrad {

using Kind = ProgramSlot::Kind;

struct Program::OnCuda {
  std::vector<char*> bases;  // by slot
  std::vector<std::unique_ptr<DeviceMemory>> kept;
  // Launches between two host calls that must keep their place; null behind the last.
  struct Stretch {
    size_t first, last;  // items
    std::unique_ptr<cuda::Graph> graph;
    const ProgramItem* host_call;
  };
  std::vector<Stretch> stretches;
  std::vector<const ProgramItem*> before, after;  // host calls that need not keep their place
};

namespace {

// Host calls without operands read nothing that launches make. One that is made once may come before all of them.
bool comes_first(const std::vector<ProgramItem>& items, const ProgramItem& call) {
  if (call.operands || !call.key) return false;
  return std::count_if(items.begin(), items.end(),
                       [&](const ProgramItem& item) { return !item.entry && item.key == call.key; }) == 1;
}

}  // namespace

std::vector<Array> Program::replay_on_cuda(const std::vector<Array>& given) {
  const cuda::OnDevice on(device_);
  if (!on_cuda_) {
    auto made = std::make_shared<OnCuda>();
    made->bases.resize(slots.size(), nullptr);
    const auto keep = [&](size_t bytes) {
      made->kept.push_back(std::make_unique<DeviceMemory>(device_, bytes));
      return made->kept.back()->data();
    };
    char* const block = keep(block_bytes_);
    for (size_t i = 0; i < slots.size(); ++i) {
      const ProgramSlot& slot = slots[i];
      const bool is_temporary = slot.kind == Kind::temporary;
      made->bases[i] = slot.kind == Kind::outside ? static_cast<char*>(slot.kept->data())
                       : is_temporary             ? block + slot.offset
                                                  : keep(std::max(slot.bytes, slot.initial.size()));
    }
    for (size_t i = 0; i < operands.size(); ++i) {
      const ProgramOperand& operand = operands[i];
      data_[i] = operand.slot < 0 ? nullptr : made->bases[static_cast<size_t>(operand.slot)] + operand.offset;
    }
    OnCuda::Stretch stretch{0, 0, nullptr, nullptr};
    for (size_t i = 0; i < items.size(); ++i) {
      const ProgramItem& item = items[i];
      if (item.entry) continue;
      if (item.operands) {
        made->after.push_back(&item);
      } else if (comes_first(items, item)) {
        made->before.push_back(&item);
      } else {
        stretch.last = i;
        stretch.host_call = &item;
        made->stretches.push_back(std::move(stretch));
        stretch = {i + 1, 0, nullptr, nullptr};
      }
    }
    stretch.last = items.size();
    made->stretches.push_back(std::move(stretch));
    on_cuda_ = std::move(made);
  }
  OnCuda& state = *on_cuda_;

  const auto write_initial_values = [&] {
    for (size_t i = 0; i < slots.size(); ++i) {
      const ProgramSlot& slot = slots[i];
      if (slot.initial.empty() || slot.kind == Kind::outside) continue;
      cuda::write_small(state.bases[i], slot.initial.data(), slot.initial.size());
    }
  };
  const auto launch_item = [&](const ProgramItem& item) {
    if (!item.entry) return;
    const Kernel kernel = (kernel_table(device_).*item.entry)->by_dtype[static_cast<int>(item.dtype)];
    kernel(Team{}, {params.data() + item.params,
                    {data_.data() + item.first_operand, numel_.data() + item.first_operand, item.operands},
                    {nullptr}});
    cuda::check_launch(item.name);
  };
  const auto launch_profiled = [&](const ProgramItem& item) {
    if (!item.entry) return;
    cuda::Stopwatch watch;
    watch.start();
    launch_item(item);
    const int64_t nanoseconds = static_cast<int64_t>(watch.stop()), end = profile::now();
    profile::add({item.name, item.dtype, item.scope, end - nanoseconds, end, item.bytes, item.cost.flops, 1, true});
  };

  std::vector<StorageRef> fresh(static_cast<size_t>(new_blocks_));
  for (const ProgramSlot& slot : slots) {
    if (slot.kind == Kind::output) {
      fresh[static_cast<size_t>(slot.number)] = StorageRef(Storage::allocate(slot.bytes, device_));
    }
  }
  {
    const Released released(true);
    for (const ProgramItem* call : state.before) call->host_call(nullptr);
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].kind != Kind::input) continue;
      cuda::copy_on_device(state.bases[i], given[static_cast<size_t>(slots[i].number)].data(), slots[i].bytes);
    }
    const bool profiled = profile::is_on();
    for (OnCuda::Stretch& stretch : state.stretches) {
      const bool is_first = &stretch == &state.stretches.front();
      if (profiled) {
        if (is_first) write_initial_values();
        for (size_t i = stretch.first; i < stretch.last; ++i) launch_profiled(items[i]);
      } else {
        if (!stretch.graph) {
          stretch.graph = cuda::Graph::record([&] {
            if (is_first) write_initial_values();
            for (size_t i = stretch.first; i < stretch.last; ++i) launch_item(items[i]);
          });
        }
        stretch.graph->launch();
      }
      if (stretch.host_call) stretch.host_call->host_call(nullptr);
    }
    for (const ProgramItem* call : state.after) {
      std::vector<cuda::Region> regions;
      for (int k = 0; k < call->operands; ++k) {
        const size_t index = static_cast<size_t>(call->first_operand + k);
        const ProgramOperand& operand = operands[index];
        const ProgramSlot& slot = slots[static_cast<size_t>(operand.slot)];
        // The slot from its start: an operand's strides may be negative.
        regions.push_back(
            {state.bases[static_cast<size_t>(operand.slot)], slot.bytes, static_cast<size_t>(operand.offset)});
      }
      cuda::check_later(std::move(regions), call->host_call);
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      const ProgramSlot& slot = slots[i];
      if (slot.kind == Kind::output) {
        cuda::copy_on_device(fresh[static_cast<size_t>(slot.number)]->data(), state.bases[i], slot.bytes);
      } else if (slot.kind == Kind::input && slot.is_written) {
        cuda::copy_on_device(given[static_cast<size_t>(slot.number)].data(), state.bases[i], slot.bytes);
      }
    }
  }
  note_writes(given);
  return make_outputs(given, fresh);
}

}  // namespace tilegrad
