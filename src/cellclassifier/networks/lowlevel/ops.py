"""Convolution and pooling along the genes, fast on a processor.

Three things make Keras's convolutional network slow on a CPU, and each has its answer here:

- TensorFlow's gradient of max-pooling searches each window again, value by value: a third of a
  training step. Here one fused loop (XLA) compares and selects. Like TensorFlow's it gives the
  gradient to the first of equal values, so that the results are the same to the bit.
- The first convolution has one input channel, and writes sixteen values a gene that pooling then
  throws away but for a quarter. Here convolution and pooling are one fused loop that writes
  pooled values only, and does the convolution again when the gradient needs it.
- Bias and activation come after pooling, on a fraction of the values, where the activation never
  falls: the maximum is then the same. Where no gradient is wanted, the three are one loop.
"""

from collections.abc import Callable

from cellclassifier.networks.lowlevel.activations import ACTIVATIONS
from cellclassifier.networks.lowlevel.backend import Tensor, tf
from cellclassifier.networks.lowlevel.spec import ConvSpec

# products of kernel and pool up to which the first layer is unrolled: the loop's code grows with it
MAX_UNROLLED = 64

Backward = Callable[[Tensor], tuple[Tensor, ...]]


def convolve_pool(
    values: Tensor, kernel: Tensor, spec: ConvSpec, *, fused_gradient: bool = True
) -> Tensor:
    """Convolve along the genes, then take the maximum of each window.

    Parameters
    ----------
    values
        Shape (batch, 1, n_positions, channels).
    kernel
        Shape (kernel, 1, channels_in, channels_out), as Keras keeps it.
    spec
        Padding and pool.
    fused_gradient
        Whether pooling has the fused gradient instead of TensorFlow's.

    Returns
    -------
    tensorflow.Tensor
        Shape (batch, 1, spec.length(n_positions), channels_out), before bias and activation.
    """
    convolved = _convolve(values, kernel, spec)
    if spec.pool == 1:
        return convolved
    return _max_pool(convolved, spec.pool) if fused_gradient else _plain_pool(convolved, spec.pool)


def convolve_pool_first(expression: Tensor, kernel: Tensor, spec: ConvSpec) -> Tensor:
    """Do what `convolve_pool` does for one input channel, in one loop.

    Parameters
    ----------
    expression
        Shape (batch, n_genes).
    kernel
        Shape (kernel, 1, 1, channels).
    """
    n_batch, n_genes = expression.shape

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def unrolled(expression: Tensor, kernel: Tensor) -> tuple[Tensor, Backward]:
        flat = tf.reshape(kernel, (spec.kernel, spec.channels))
        pooled = _first_forward(expression, flat, spec)

        def backward(gradient: Tensor) -> tuple[Tensor, Tensor]:
            at_convolution = _first_backward(expression, flat, pooled, gradient, spec)
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=tf.reshape(expression, (n_batch, 1, n_genes, 1)),
                filter_sizes=(1, spec.kernel, 1, spec.channels),
                out_backprop=at_convolution,
                strides=(1, 1, 1, 1),
                padding=spec.padding.upper(),
            )
            return tf.zeros_like(expression), tf.reshape(of_kernel, kernel.shape)

        return pooled, backward

    pooled = unrolled(expression, kernel)
    return tf.reshape(pooled, (n_batch, 1, spec.length(n_genes), spec.channels))


def convolve_pool_activate(values: Tensor, kernel: Tensor, bias: Tensor, spec: ConvSpec) -> Tensor:
    """Do what `convolve_pool`, bias and activation do, for prediction: there is no gradient.

    Parameters
    ----------
    values
        Shape (batch, 1, n_positions, channels).
    kernel, bias
        Shapes (kernel, 1, channels_in, channels_out) and (channels_out,).
    """
    return _pool_activate(_convolve(values, kernel, spec), bias, spec)


def convolve_pool_activate_first(
    expression: Tensor, kernel: Tensor, bias: Tensor, spec: ConvSpec
) -> Tensor:
    """Do what `convolve_pool_activate` does for one input channel, in one loop."""
    n_batch, n_genes = expression.shape
    flat = tf.reshape(kernel, (spec.kernel, spec.channels))
    active = _first_activate(expression, flat, bias, spec)
    return tf.reshape(active, (n_batch, 1, spec.length(n_genes), spec.channels))


def can_unroll(spec: ConvSpec) -> bool:
    """Tell whether `convolve_pool_first` takes a first layer like this."""
    return spec.pools_first and spec.kernel * spec.pool <= MAX_UNROLLED


def _convolve(values: Tensor, kernel: Tensor, spec: ConvSpec) -> Tensor:
    by_width = tf.transpose(kernel, (1, 0, 2, 3))  # (1, kernel, channels_in, channels_out)
    return tf.nn.conv2d(values, by_width, 1, spec.padding.upper())


def _plain_pool(values: Tensor, pool: int) -> Tensor:
    return tf.nn.max_pool2d(values, (1, pool), (1, pool), "VALID")


def _max_pool(values: Tensor, pool: int) -> Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def pooling(values: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        pooled = _plain_pool(values, pool)
        return pooled, lambda gradient: _pool_gradient(values, pooled, gradient, pool)

    return pooling(values)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _pool_activate(values: Tensor, bias: Tensor, spec: ConvSpec) -> Tensor:
    n_batch, _, length, channels = values.shape
    kept = length // spec.pool
    windows = tf.reshape(values[:, :, : kept * spec.pool], (n_batch, 1, kept, spec.pool, channels))
    return ACTIVATIONS[spec.activation](tf.reduce_max(windows, axis=3) + bias)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _first_activate(expression: Tensor, kernel: Tensor, bias: Tensor, spec: ConvSpec) -> Tensor:
    return ACTIVATIONS[spec.activation](_first_maximum(expression, kernel, spec) + bias)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _pool_gradient(values: Tensor, pooled: Tensor, gradient: Tensor, pool: int) -> Tensor:
    n_batch, _, length, channels = values.shape
    kept = length // pool
    windows = tf.reshape(values[:, :, : kept * pool], (n_batch, kept, pool, channels))
    candidates = [windows[:, :, place] for place in range(pool)]
    flat = (n_batch, kept, channels)
    chosen = _to_first(candidates, tf.reshape(pooled, flat), tf.reshape(gradient, flat))
    return _spread(chosen, length)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _first_forward(expression: Tensor, kernel: Tensor, spec: ConvSpec) -> Tensor:
    return _first_maximum(expression, kernel, spec)


def _first_maximum(expression: Tensor, kernel: Tensor, spec: ConvSpec) -> Tensor:
    first, *others = _by_place(expression, kernel, spec)
    for other in others:
        first = tf.maximum(first, other)
    return first


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _first_backward(
    expression: Tensor, kernel: Tensor, pooled: Tensor, gradient: Tensor, spec: ConvSpec
) -> Tensor:
    chosen = _to_first(_by_place(expression, kernel, spec), pooled, gradient)
    return _spread(chosen, spec.conv_length(expression.shape[1]))


def _by_place(expression: Tensor, kernel: Tensor, spec: ConvSpec) -> list[Tensor]:
    """Return the convolution at each place of the pooling windows, (batch, length, channels)."""
    n_batch, n_genes = expression.shape
    length, pool = spec.length(n_genes), spec.pool
    # the last place of the last window still needs a whole kernel; rounded up to whole windows
    needed = -(-(length * pool + spec.kernel - 1) // pool) * pool
    room = needed - spec.pad_left
    padded = tf.pad(expression[:, :room], ((0, 0), (spec.pad_left, max(room - n_genes, 0))))
    windows = tf.reshape(padded, (n_batch, needed // pool, pool))
    shifted = [
        windows[:, shift // pool : shift // pool + length, shift % pool][:, :, None]
        for shift in range(spec.kernel + pool - 1)
    ]
    return [
        tf.add_n([shifted[place + tap] * kernel[tap] for tap in range(spec.kernel)])
        for place in range(pool)
    ]


def _to_first(candidates: list[Tensor], pooled: Tensor, gradient: Tensor) -> list[Tensor]:
    """Give each window's gradient to the first place that holds its maximum."""
    chosen = []
    for candidate in candidates:
        hit = tf.equal(candidate, pooled)
        chosen.append(tf.where(hit, gradient, 0.0))
        gradient = tf.where(hit, 0.0, gradient)
    return chosen


def _spread(by_place: list[Tensor], length: int) -> Tensor:
    """Put the places of all windows back in a row, zeros where no window reaches."""
    n_batch, kept, channels = by_place[0].shape
    row = tf.reshape(tf.stack(by_place, axis=2), (n_batch, 1, kept * len(by_place), channels))
    return tf.pad(row, ((0, 0), (0, 0), (0, length - kept * len(by_place)), (0, 0)))
