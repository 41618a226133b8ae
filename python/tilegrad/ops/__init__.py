"""The functions of the library: each is one native call with its gradient rule beside it.

A family is a module, which lists its public functions in ``__all__``; they are ``tg.ops.*`` and ``tg.*``.
"""

from __future__ import annotations

from .activation import *
from .arranging import *
from .attention import *
from .cast import *
from .channel_norm import *
from .comparison import *
from .conv import *
from .creation import *
from .dropout import *
from .einsum import *
from .elementwise import *
from .from_data import *
from .functions import *
from .indexing import *
from .joining import *
from .losses import *
from .matmul import *
from .metric_losses import *
from .norm import *
from .paired_losses import *
from .piecewise import *
from .pool import *
from .recurrent import *
from .reduce import *
from .resizing import *
from .sequences import *
from .softmax import *
from .sorting import *
from .transfer import *
from .triangles import *
from .views import *
