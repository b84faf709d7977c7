# The ground truth J in place of the predicted one: rainrestore test oracle_derained_x4 rainrestore://fcg_gan_x4
_base_ = '../fcg_gan_x4.py'

model = dict(type='OracleFCGGAN', oracle='derained')
train_dataloader = train_cfg = optim_wrapper = None
