# The output J of the rain removal network, enlarged: rainrestore test hrrm_bicubic_x4 rainrestore://hrrm_x4
_base_ = '../hrrm_x4.py'

model = dict(type='RainRemoverThenBicubic', scale=4)
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
train_dataloader = train_cfg = optim_wrapper = None
