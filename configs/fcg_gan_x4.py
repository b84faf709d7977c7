# HRRM + FPM + FCG-GAN, the paper's network (eqs. 23-32), from the bundled HRRM and FPM. Reduced for a CPU: it has a
# tenth of the parameters (2.1 M of 21.4 M) and a third of the MACs (0.98 G of 3.04 G) of paper/fcg_gan_paper_x4.py.
_base_ = [
    '_base_/models/fcg_gan.py',
    '_base_/data/rain_x4.py',
    '_base_/schedules/joint.py',
    '_base_/runtime.py',
]
