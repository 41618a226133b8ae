// The parameter structs of all kernel families: trivially copyable, so that a recorded launch can keep a copy.
#pragma once

#include "params/attention.h"
#include "params/conv2d.h"
#include "params/fma_peak.h"
#include "params/gather.h"
#include "params/gemm.h"
#include "params/loop_nest.h"
#include "params/loss.h"
#include "params/norm.h"
#include "params/optimizer.h"
#include "params/pool2d.h"
#include "params/random.h"
#include "params/reduce.h"
#include "params/resize2d.h"
#include "params/sequence.h"
#include "params/sort.h"
#include "params/winograd.h"
